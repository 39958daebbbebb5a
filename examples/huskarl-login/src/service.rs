//! A request to a service, with the proof that the token's key is here (RFC 9449 section 7).

use std::error::Error;

use http::Method;
use huskarl::core::{
    dpop::{AuthorizationServerDPoP as _, ResourceServerDPoP as _},
    secrets::SecretString,
};
use huskarl_crypto_native::asymmetric::signer::PrivateKey;
use token_storage::manager::AccessToken;

use crate::endpoint::dpop;

pub async fn get(url: &str, token: &AccessToken, key: &PrivateKey) -> Result<String, Box<dyn Error>> {
    // `header_value` refuses: this is no bearer token.
    assert!(token.header_value().is_err() && token.token_type() == Some("DPoP"));
    let secret = SecretString::new(token.expose());
    let thumbprint = key.as_private_jwk().thumbprint();
    let signer = dpop(key).to_resource_server_dpop();
    let now = jiff::Timestamp::now();
    let proof = signer
        .proof_at(&Method::GET, &url.parse()?, &secret, &thumbprint, now)
        .await?;
    let proof = proof.ok_or("there is no proof")?;
    let answer = reqwest::Client::new()
        .get(url)
        .header("authorization", format!("DPoP {}", token.expose()))
        .header("dpop", proof.expose_secret())
        .send()
        .await?;
    Ok(answer.error_for_status()?.text().await?)
}
