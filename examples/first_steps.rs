//! Stores a login's answer and a refresh's answer, and reads the token back.
//!
//! ```sh
//! cargo run --example first_steps                                        # in memory
//! cargo run --example first_steps --features sqlite -- sqlite:tokens.db  # kept
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

    for stored in tokens.store_response(&TokenResponse::parse(LOGIN, now())?).await? {
        println!("stored the token of {}", stored.key);
    }
    let answer = TokenResponse::parse(REFRESH, now())?.with_resource_server("groups.api.globus.org")?;
    tokens.merge_response(&answer).await?;

    let token = tokens.get("groups.api.globus.org").await?.expect("it was just stored");
    println!("it is good until {:?} seconds after 1970", token.data.expires_at);
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
