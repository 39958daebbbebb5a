//! Stores a login's answer and a refresh's answer, and reads the token back.
//!
//! ```sh
//! cargo run --example first_steps                                        # in memory
//! cargo run --example first_steps --features sqlite -- sqlite:tokens.db  # kept
//! ```
//!
//! It prints:
//!
//! ```text
//! stored the token of resource server "groups.api.globus.org" in namespace "DEFAULT"
//! it is good for 172800 seconds
//! the refresh token is still there: true
//! and nothing shows a secret: Secret(***)
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

use token_storage::{Namespaced, Result, TokenResponse};

const LOGIN: &str = include_str!("token-response.json");

/// As many servers answer a refresh: with a new access token, and without the refresh token that stays good.
const REFRESH: &str = r#"{"access_token": "another-access-token", "expires_in": 172800, "token_type": "Bearer"}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".to_owned());
    let tokens = Namespaced::in_default(token_storage::open(&url).await?);

    let now = now();
    for stored in tokens.store_response(&TokenResponse::parse(LOGIN, now)?).await? {
        println!("stored the token of {}", stored.key);
    }
    let answer = TokenResponse::parse(REFRESH, now)?.with_resource_server("groups.api.globus.org")?;
    tokens.merge_response(&answer).await?;

    let token = tokens.get("groups.api.globus.org").await?.expect("it was just stored");
    let left = token.data.expires_at.expect("the answer says so") - now;
    println!("it is good for {left} seconds");
    println!(
        "the refresh token is still there: {}",
        token.data.refresh_token.is_some()
    );
    println!("and nothing shows a secret: {:?}", token.data.access_token);
    Ok(())
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_secs().try_into().unwrap_or(i64::MAX)
}
