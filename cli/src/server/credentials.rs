//! What the client proves itself with: a secret or a key. Neither is ever an argument, which others can see.

use std::{
    env::{self, VarError},
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::{ValueEnum, builder::BoolishValueParser};
use token_storage::{
    IssuedBy, Secret,
    oauth::{ClientAuth, ClientKey, OAuthClient},
};
use zeroize::Zeroizing;

use crate::{Exit, Failure, KEY_VARIABLE, Result, SECRET_VARIABLE, args::unless_empty};

/// A client's secret is a line, and a key some; something longer is another file.
const MAX_LENGTH: u64 = 64 * 1024;

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Authorization server")]
pub(super) struct CredentialArgs {
    /// A file with the client's secret, if it has one; or set TOKEN_STORAGE_CLIENT_SECRET
    #[arg(
        long,
        value_name = "FILE",
        env = unless_empty("TOKEN_STORAGE_CLIENT_SECRET_FILE"),
        hide_env_values = true
    )]
    client_secret_file: Option<PathBuf>,

    /// The client's secret is the empty text, and is sent (RFC 6749 section 2.3.1)
    #[arg(
        long,
        env = unless_empty("TOKEN_STORAGE_CLIENT_SECRET_EMPTY"),
        hide_env_values = true,
        value_parser = BoolishValueParser::new(),
        conflicts_with = "client_secret_file"
    )]
    client_secret_empty: bool,

    /// Where in a request the secret goes [default: as at the login, else header]
    #[arg(
        long,
        value_enum,
        value_name = "PLACE",
        env = unless_empty("TOKEN_STORAGE_CLIENT_SECRET_IN"),
        hide_env_values = true
    )]
    client_secret_in: Option<SecretIn>,

    /// A file with the client's private key, in PEM or as JWK, if it signs (`private_key_jwt`); or set
    /// TOKEN_STORAGE_CLIENT_KEY
    #[arg(
        long,
        visible_alias = "client-key",
        value_name = "FILE",
        env = unless_empty("TOKEN_STORAGE_CLIENT_KEY_FILE"),
        hide_env_values = true
    )]
    client_key_file: Option<PathBuf>,

    /// The name that the server knows the key by (`kid`) [default: what the JWK says]
    #[arg(
        long,
        value_name = "KID",
        env = unless_empty("TOKEN_STORAGE_CLIENT_KEY_ID"),
        hide_env_values = true
    )]
    client_key_id: Option<String>,

    /// A file with the key's certificate, in PEM, at servers that know the key by that (`x5t`): Microsoft Entra
    #[arg(
        long,
        value_name = "FILE",
        env = unless_empty("TOKEN_STORAGE_CLIENT_CERTIFICATE_FILE"),
        hide_env_values = true
    )]
    client_certificate_file: Option<PathBuf>,

    /// What the key signs with, such as PS256 [default: what the JWK says, or RS256, ES256, ES384, EdDSA, after the key]
    #[arg(
        long,
        value_name = "ALG",
        env = unless_empty("TOKEN_STORAGE_CLIENT_KEY_ALGORITHM"),
        hide_env_values = true
    )]
    client_key_algorithm: Option<String>,

    /// Whom the client's JWTs are for (`aud`), at servers that do not take their token endpoint: their issuer, mostly
    #[arg(
        long,
        value_name = "AUDIENCE",
        env = unless_empty("TOKEN_STORAGE_CLIENT_ASSERTION_AUDIENCE"),
        hide_env_values = true
    )]
    client_assertion_audience: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SecretIn {
    /// The header `Authorization`, as recommended
    Header,
    /// The form, for servers that want it there
    Form,
    /// Nowhere: a JWT proves that the client knows it (`client_secret_jwt`)
    Jwt,
}

impl From<SecretIn> for ClientAuth {
    fn from(place: SecretIn) -> Self {
        match place {
            SecretIn::Header => Self::Header,
            SecretIn::Form => Self::Form,
            SecretIn::Jwt => Self::SecretJwt,
        }
    }
}

/// What the client proves itself with, and whom its JWTs are for.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    proof: Proof,
    audience: Option<String>,
}

#[derive(Clone, Debug)]
enum Proof {
    /// Nothing: the client is public.
    None,
    /// Where it goes may not have been said.
    Secret(Secret, Option<ClientAuth>),
    Key(ClientKey),
}

impl CredentialArgs {
    /// What the options and variables say; the files are read.
    pub(super) fn read(&self) -> Result<Credentials> {
        let proof = match (self.secret()?, self.key()?) {
            (Some(_), Some(_)) => {
                let message = "the client has both a secret and a key here; say which one it proves itself with";
                return Err(Failure::new(Exit::Usage, message));
            }
            (Some(secret), None) => Proof::Secret(secret, self.client_secret_in.map(ClientAuth::from)),
            (None, Some(key)) => Proof::Key(key),
            (None, None) => Proof::None,
        };
        Ok(Credentials {
            proof,
            audience: self.client_assertion_audience.clone(),
        })
    }

    fn secret(&self) -> Result<Option<Secret>> {
        match &self.client_secret_file {
            Some(path) => read_secret(path).map(Some),
            None if self.client_secret_empty => Ok(Some(Secret::from(""))),
            None => Ok(variable(SECRET_VARIABLE)?.map(|secret| secret.as_str().into())),
        }
    }

    fn key(&self) -> Result<Option<ClientKey>> {
        let text = match &self.client_key_file {
            Some(path) => read_file(path, "key")?,
            None => match variable(KEY_VARIABLE)? {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        let mut key = match text.trim_start().starts_with('{') {
            true => ClientKey::from_jwk(&text)?,
            false => ClientKey::from_pem(&text)?,
        };
        if let Some(id) = &self.client_key_id {
            key = key.with_id(id.as_str());
        }
        if let Some(path) = &self.client_certificate_file {
            key = key.with_certificate(&read_file(path, "certificate")?)?;
        }
        match &self.client_key_algorithm {
            Some(name) => Ok(Some(key.with_algorithm(name)?)),
            None => Ok(Some(key)),
        }
    }
}

impl Credentials {
    pub(super) fn are_there(&self) -> bool {
        !matches!(self.proof, Proof::None)
    }

    /// What was not said is as it was when the record was made.
    pub(super) fn as_before(&mut self, theirs: &IssuedBy) {
        if let Proof::Secret(_, place @ None) = &mut self.proof {
            *place = theirs.client_auth.as_deref().and_then(ClientAuth::by_name);
        }
    }

    /// Why nothing can be asked for the record's client: it is not public, and there is nothing to prove it with.
    pub(super) fn lacking(&self, theirs: &IssuedBy) -> Option<String> {
        let method = theirs.client_auth.as_deref().filter(|_| !self.are_there())?;
        let (how, what) = match method {
            "private_key_jwt" => (method, "its key with --client-key-file"),
            _ => match ClientAuth::by_name(method) {
                Some(way) => (way.name(), "its secret with --client-secret-file"),
                // Of a version to come.
                None => return None,
            },
        };
        Some(format!(
            "the client that the tokens were issued to proves who it is ({how}), so nothing was sent without; give \
             {what} or the variables for it, and name the server with --issuer"
        ))
    }

    pub(super) fn given_to(&self, client: OAuthClient) -> OAuthClient {
        let client = match &self.proof {
            Proof::None => return client,
            Proof::Secret(secret, place) => client.with_secret(secret.clone(), place.unwrap_or_default()),
            Proof::Key(key) => client.with_key(key.clone()),
        };
        match &self.audience {
            Some(audience) => client.with_assertion_audience(audience.as_str()),
            None => client,
        }
    }
}

/// The variable, if it is set and not empty.
fn variable(name: &str) -> Result<Option<Zeroizing<String>>> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(Zeroizing::new(value))),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::new(Exit::Usage, format!("{name} is not valid Unicode"))),
    }
}

/// The secret, without the line break that editors put at the end.
fn read_secret(path: &Path) -> Result<Secret> {
    let refused = |why: &str| {
        Err(Failure::new(
            Exit::Usage,
            format!("the file with the client's secret {why}"),
        ))
    };
    let text = read_file(path, "secret")?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return refused("is empty; where the secret is the empty text, say --client-secret-empty");
    }
    if secret.contains(['\r', '\n']) {
        return refused("has more than one line; it must hold the secret alone");
    }
    Ok(secret.into())
}

fn read_file(path: &Path, what: &str) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).and_then(|file| file.take(MAX_LENGTH).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) => {
            let message = format!("the file with the client's {what} cannot be read: {error}");
            Err(Failure::new(Exit::Usage, message))
        }
    }
}
