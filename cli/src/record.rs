//! A record as it is shown.

use std::fmt::Write as _;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;
use token_storage::{Grant, IssuedBy, Members, Renewal, TokenData, TokenKey};

use crate::{
    exit::Exit,
    failure::{Failure, Result},
    output, text, time,
};

const HIDDEN: &str = "(hidden; --reveal shows it)";

/// A record with its key, and whether its secrets may be shown.
pub(crate) struct Shown<'a> {
    pub(crate) key: &'a TokenKey,
    pub(crate) data: &'a TokenData,
    pub(crate) reveal: bool,
    /// Of its refreshes; no part of the record.
    #[cfg(feature = "oauth")]
    pub(crate) status: Option<&'a crate::status::Status>,
}

/// The members of the stored record, so that `store` takes it back. Hidden members are left out and named under
/// `hidden`: a placeholder in their place could be stored by mistake.
impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Members {
            resource_server,
            scope,
            access_token,
            refresh_token,
            expires_at,
            token_type,
            identity_id,
            extra,
        } = self.data.members();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("resource_server", resource_server)?;
        if let Some(identity_id) = identity_id {
            map.serialize_entry("identity_id", identity_id)?;
        }
        map.serialize_entry("scope", scope)?;
        if self.reveal {
            map.serialize_entry("access_token", access_token.expose())?;
            if let Some(refresh_token) = refresh_token {
                map.serialize_entry("refresh_token", refresh_token.expose())?;
            }
        }
        map.serialize_entry("expires_at_seconds", &expires_at)?;
        if let Some(token_type) = token_type {
            map.serialize_entry("token_type", token_type)?;
        }
        if self.reveal {
            for (name, json) in extra.iter() {
                let value: &RawValue = serde_json::from_str(json).map_err(serde::ser::Error::custom)?;
                map.serialize_entry(name, value)?;
            }
        } else {
            for (name, json) in extra.iter().filter(|(name, json)| is_open(name, json)) {
                let value: &RawValue = serde_json::from_str(json).map_err(serde::ser::Error::custom)?;
                map.serialize_entry(name, value)?;
            }
            map.serialize_entry("hidden", &self.hidden_names())?;
            // Not with the secrets: that is what `store` takes back.
            #[cfg(feature = "oauth")]
            if let Some(status) = self.status {
                map.serialize_entry("refresh", status)?;
            }
        }
        map.end()
    }
}

impl Shown<'_> {
    fn hidden_names(&self) -> Vec<&str> {
        let mut names = vec!["access_token"];
        names.extend(self.data.refresh_token.is_some().then_some("refresh_token"));
        let extra = self.data.extra.iter().filter(|(name, json)| !is_open(name, json));
        names.extend(extra.map(|(name, _)| name));
        names
    }

    /// For people: one member a line.
    pub(crate) fn table(&self) -> String {
        let Members {
            resource_server,
            scope,
            access_token,
            refresh_token,
            expires_at,
            token_type,
            identity_id,
            extra,
        } = self.data.members();
        let secret = |text: &str| {
            if self.reveal {
                text::name(text)
            } else {
                HIDDEN.to_owned()
            }
        };
        let mut rows = vec![
            ["namespace".to_owned(), text::name(self.key.namespace())],
            ["resource server".to_owned(), text::name(self.key.resource_server())],
        ];
        if resource_server != self.key.resource_server() {
            rows.push(["server's name for it".to_owned(), text::name(resource_server)]);
        }
        rows.push(["scope".to_owned(), text::name(scope)]);
        rows.push(["expires".to_owned(), time::expiry(expires_at, time::now())]);
        #[cfg(feature = "oauth")]
        rows.extend(
            self.status
                .map(|status| ["refresh".to_owned(), text::one_line(&status.message)]),
        );
        for (label, value) in [("token type", token_type), ("identity", identity_id)] {
            if let Some(value) = value {
                rows.push([label.to_owned(), text::name(value)]);
            }
        }
        rows.push(["access token".to_owned(), secret(access_token.expose())]);
        let refresh_token = refresh_token.map(|token| secret(token.expose()));
        rows.push([
            "refresh token".to_owned(),
            refresh_token.unwrap_or_else(|| "none".to_owned()),
        ]);
        let from = IssuedBy::of(self.data).ok().flatten().unwrap_or_default();
        for (label, value) in [
            ("issuer", from.issuer),
            ("token endpoint", from.token_endpoint),
            ("client id", from.client_id),
            ("client authentication", from.client_auth),
        ] {
            rows.extend(value.map(|value| [label.to_owned(), text::name(&value)]));
        }
        rows.extend(self.renewal_rows());
        for (name, json) in extra.iter().filter(|(name, json)| !is_open(name, json)) {
            rows.push([text::name(name), secret(json)]);
        }
        output::table(None, rows)
    }

    /// How the token is asked for anew.
    fn renewal_rows(&self) -> Vec<[String; 2]> {
        // One that makes no sense is shown with the other members.
        let renewal = Renewal::of(self.data).unwrap_or_default();
        let mut rows = Vec::new();
        if renewal.grant == Grant::ClientCredentials {
            rows.push(["renewed by".to_owned(), "the client itself".to_owned()]);
        }
        rows.extend(
            renewal
                .scope
                .map(|scope| ["asked scope".to_owned(), text::name(&scope)]),
        );
        let apis = renewal.parameters.into_iter().filter(|(name, _)| is_api(name));
        rows.extend(apis.map(|(name, value)| [name, text::name(&value)]));
        rows
    }

    /// For a POSIX shell: `eval "$(token-storage get RS --reveal --format env)"`.
    pub(crate) fn env(&self) -> Result<String> {
        let Members {
            resource_server,
            scope,
            access_token,
            refresh_token,
            expires_at,
            token_type,
            identity_id,
            // JSON values are nothing for a shell: `--format json` has them.
            extra: _,
        } = self.data.members();
        let expires_at = expires_at.map(|seconds| seconds.to_string());
        let secret = |token| self.reveal.then_some(token);
        let variables = [
            ("RESOURCE_SERVER", Some(resource_server)),
            ("SCOPE", Some(scope)),
            ("EXPIRES_AT", expires_at.as_deref()),
            ("TOKEN_TYPE", token_type),
            ("IDENTITY_ID", identity_id),
            ("ACCESS_TOKEN", secret(access_token.expose())),
            ("REFRESH_TOKEN", refresh_token.and_then(|token| secret(token.expose()))),
        ];
        let mut out = String::new();
        for (name, value) in variables {
            let Some(value) = value else { continue };
            let word = text::shell_word(value).ok_or_else(|| {
                let message = format!("the member for TOKEN_STORAGE_{name} contains a NUL, which no shell can hold");
                Failure::new(Exit::Usage, message + "; use --format json")
            })?;
            let _ = writeln!(out, "export TOKEN_STORAGE_{name}={word}");
        }
        if !self.reveal {
            out.push_str("# the tokens are hidden; add --reveal\n");
        }
        Ok(out)
    }
}

/// What is no secret: which server issued it, to which client, and how it is asked for anew. Parameters of a program's
/// own may be anything.
fn is_open(name: &str, json: &str) -> bool {
    if name == "token_storage_parameters" {
        let parameters: Vec<(String, String)> = serde_json::from_str(json).unwrap_or_default();
        return !parameters.is_empty() && parameters.iter().all(|(name, _)| is_api(name));
    }
    [
        "token_storage_issuer",
        "token_storage_token_endpoint",
        "token_storage_client_id",
        "token_storage_revocation_endpoint",
        "token_storage_token_path",
        "token_storage_client_auth",
        "token_storage_grant",
        "token_storage_request_scope",
    ]
    .contains(&name)
}

/// Which names an API that the token is for.
fn is_api(parameter: &str) -> bool {
    ["resource", "audience"].contains(&parameter)
}

/// What is told of a record when only its existence matters: nothing secret.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    namespace: String,
    resource_server: String,
    scope: String,
    expires_at_seconds: Option<i64>,
    has_refresh_token: bool,
    /// Or, of a server that is not known by name, its token endpoint.
    issuer: Option<String>,
    client_id: Option<String>,
}

impl Summary {
    pub(crate) fn new(key: &TokenKey, data: &TokenData) -> Self {
        let from = IssuedBy::of(data).ok().flatten().unwrap_or_default();
        Self {
            namespace: key.namespace().to_owned(),
            resource_server: key.resource_server().to_owned(),
            scope: data.scope.clone(),
            expires_at_seconds: data.expires_at,
            has_refresh_token: data.refresh_token.is_some(),
            issuer: from.issuer.or(from.token_endpoint),
            client_id: from.client_id,
        }
    }
}
