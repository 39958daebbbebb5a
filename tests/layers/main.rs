//! What each layer changes; that it changes nothing else, `layers_conformance` asks.

mod cached;
mod flaky;
mod read_only;
mod retrying;
mod tenant;
mod traced;

use token_storage::{TokenData, TokenKey};

const SECRET: &str = "cAnArY-0123456789-token";

fn key(namespace: &str) -> TokenKey {
    TokenKey::new(namespace, "rs")
}

fn data(access_token: &str) -> TokenData {
    TokenData::new("rs", "read", access_token).with_refresh_token(SECRET)
}
