use std::time::Duration;

use serde_json::{Value, json};

use super::{AuthServer, Profile};

/// How the server behaves. Start from [`Config::default`] and change fields.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The port on 127.0.0.1; 0: any that is free.
    pub port: u16,
    /// `expires_in` of access tokens, in seconds; `None` leaves it out of the answers (such a token lasts for an hour).
    pub access_token_lifetime: Option<u64>,
    /// Whether each refresh gives a new refresh token and spends the old one.
    pub rotate: bool,
    /// For how long after it was spent a refresh token may come again without being taken for stolen.
    pub grace: Duration,
    /// Whether answers name their `resource_server`, as Globus does; else there is one token without a name.
    pub name_resource_server: bool,
    /// Whether the page that asks for consent presses its own button, for browsers without a person.
    pub auto_approve: bool,
    /// Whether revoking a refresh token that was spent before revokes its whole family.
    pub revocation_spreads: bool,
    /// Whether redirects name the server (RFC 9207), and the metadata say so.
    pub issuer_in_redirects: bool,
    /// The secret of the confidential client; it may be empty (RFC 6749 section 2.3.1).
    pub service_secret: String,
    /// Whether the JWTs that clients authenticate with must name the issuer as their audience, as FAPI 2.0 has it; else the
    /// token endpoint is as good.
    pub issuer_as_audience: bool,
    /// The `interval` of the device flow, in seconds.
    pub device_interval: u64,
    /// The `expires_in` of the device flow, in seconds.
    pub device_lifetime: u64,
    /// How far the answers are from RFC 6749.
    pub profile: Profile,
    /// What the groups endpoint answers.
    pub groups: Value,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 0,
            access_token_lifetime: Some(3600),
            rotate: true,
            grace: Duration::ZERO,
            name_resource_server: true,
            auto_approve: false,
            revocation_spreads: false,
            issuer_in_redirects: false,
            service_secret: AuthServer::SERVICE_SECRET.to_owned(),
            issuer_as_audience: false,
            device_interval: 1,
            device_lifetime: 600,
            profile: Profile::default(),
            groups: default_groups(),
        }
    }
}

/// Names with everything that breaks careless CSV; roles out of order and repeated.
fn default_groups() -> Value {
    let membership = |role: &str| json!({"role": role, "status": "active", "username": "ada@example.org"});
    json!([
        {
            "id": "3c1f3d6e-3f0e-11ef-9d0c-0242ac120001",
            "name": "Ada's \"Engines\", Ltd",
            "group_type": "regular",
            "enforce_session": false,
            "my_memberships": [membership("member"), membership("admin"), membership("member")],
        },
        {
            "id": "3c1f3d6e-3f0e-11ef-9d0c-0242ac120002",
            "name": "Línea\nnueva",
            "group_type": "plus",
            "enforce_session": true,
            "my_memberships": [membership("manager")],
        },
    ])
}
