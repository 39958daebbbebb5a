//! Globus, the server that is meant when none is named: the addresses that its Python SDK uses, by the same variables.

use std::env;

use token_storage::oauth::Provider;

use crate::{Exit, Failure, Result};

/// The public client that the Globus documentation shows in its examples.
pub(crate) const TUTORIAL_CLIENT: &str = "61338d24-54d5-408f-a10d-66c06b59f6d2";

/// The addresses of Globus Auth. They are known, so nothing has to be asked for.
pub(crate) fn provider() -> Result<Provider> {
    let base = base("auth", "GLOBUS_SDK_SERVICE_URL_AUTH")?;
    let at = |path: &str| {
        let provider = Provider::new(&format!("{base}{path}"));
        provider.map_err(|error| Failure::from(error).at("GLOBUS_SDK_SERVICE_URL_AUTH"))
    };
    let mut provider = at("/v2/oauth2/token")?;
    provider.authorization_endpoint = Some(at("/v2/oauth2/authorize")?.token_endpoint);
    provider.revocation_endpoint = Some(at("/v2/oauth2/token/revoke")?.token_endpoint);
    provider.userinfo_endpoint = Some(at("/v2/oauth2/userinfo")?.token_endpoint);
    provider.jwks_uri = Some(at("/jwk.json")?.token_endpoint);
    provider.issuer = Some(base);
    Ok(provider)
}

/// The address of a service, without a slash at the end.
fn base(service: &str, variable: &str) -> Result<String> {
    if let Some(url) = set(variable) {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    match set("GLOBUS_SDK_ENVIRONMENT").as_deref() {
        None | Some("production") => Ok(match service {
            "auth" => "https://auth.globus.org".to_owned(),
            _ => format!("https://{service}.api.globus.org"),
        }),
        Some("preview") => Ok(match service {
            "auth" => "https://auth.preview.globus.org".to_owned(),
            _ => format!("https://{service}.api.preview.globus.org"),
        }),
        Some(environment @ ("sandbox" | "integration" | "test" | "staging")) => Ok(match service {
            "auth" => format!("https://auth.{environment}.globuscs.info"),
            _ => format!("https://{service}.api.{environment}.globuscs.info"),
        }),
        Some(_) => {
            let message = "GLOBUS_SDK_ENVIRONMENT names no environment of Globus; \
                           there are production, preview, sandbox, integration, test and staging";
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

/// An empty variable counts as unset.
fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}
