//! What a login stores, under which names, and what becomes of that which was there.

use token_storage::{
    IssuedBy, StoredResponse, StoredToken, TokenData, TokenKey, TokenResponse,
    manager::{TokenEndpoint as _, TokenKind},
};

use super::{
    Login,
    ask::Way,
    terminal::{is_attended, read_line},
};
use crate::{Exit, Failure, Result, text, voice::note};

/// A record that the login puts another in place of.
type Replaced = (TokenKey, TokenData);

impl Login<'_> {
    /// What can be found out before a person logs in.
    pub(super) async fn prepare(&self) -> Result<()> {
        let name = self.resource_server().await;
        let key = self.session.tokens.key(&name);
        self.prove_writable(&key).await?;
        if self.ask.code_page.is_none() {
            self.in_the_way(&key).await?;
        }
        Ok(())
    }

    /// Tokens that cannot be stored are of no use, so this is known first.
    async fn prove_writable(&self, key: &TokenKey) -> Result<()> {
        use token_storage::{Acquisition, TokenStorage as _};

        let Some(lease) = self.session.tokens.storage().lease() else {
            return Ok(());
        };
        if let Acquisition::Acquired(mut guard) = lease.try_acquire(key).await? {
            let proven = guard.prove_writable().await;
            guard.release().await?;
            proven.map_err(|error| Failure::from(error).at("nothing can be stored, so nobody was asked to log in"))?;
        }
        Ok(())
    }

    /// The server's name for people.
    pub(super) fn server(&self) -> String {
        named(&self.client.issued_by())
    }

    /// What a token is stored under that names no resource server: what was said; else the host of the token endpoint, and
    /// of an issuer that shares its host with others, its address.
    pub(super) async fn resource_server(&self) -> String {
        if let Some(given) = &self.ask.resource_server {
            return given.clone();
        }
        let provider = self.client.provider();
        let host = provider.token_endpoint.host_str().unwrap_or_default();
        let Some(address) = provider.issuer.as_deref().and_then(shared_address) else {
            return host.to_owned();
        };
        // A record that has the host's name already keeps it.
        match self.session.tokens.get(host).await {
            Ok(Some(stored)) if self.client.issued_by().owns(&stored.data) => host.to_owned(),
            _ => address,
        }
    }

    /// The records that the response replaces, if it may.
    pub(super) async fn replaced(&self, response: &TokenResponse) -> Result<Vec<Replaced>> {
        let mut replaced = Vec::new();
        for token in response.tokens() {
            let key = self
                .session
                .tokens
                .key(token.resource_server.as_deref().unwrap_or_default());
            replaced.extend(self.in_the_way(&key).await?.map(|data| (key, data)));
        }
        Ok(replaced)
    }

    /// The record of that key. If another server or client issued it, somebody has to agree.
    async fn in_the_way(&self, key: &TokenKey) -> Result<Option<TokenData>> {
        // One that cannot be read cannot be used either.
        let Ok(Some(StoredToken { data, .. })) = self.session.tokens.get(key.resource_server()).await else {
            return Ok(None);
        };
        let theirs = match IssuedBy::of(&data) {
            Ok(Some(theirs)) if !self.client.issued_by().owns(&data) => theirs,
            _ => return Ok(Some(data)),
        };
        let name = text::mention(key.resource_server());
        let owner = named(&theirs);
        if self.ask.replace
            || self
                .agrees(&format!("{name} has tokens of {owner}. Replace them? [y/N] "))
                .await
        {
            return Ok(Some(data));
        }
        let message = format!(
            "{name} has tokens that {owner} issued to client {}, and this login is at {} as client {}; store it under \
             another name with --resource-server, or say --replace",
            text::mention(theirs.client_id.as_deref().unwrap_or_default()),
            self.server(),
            text::mention(self.client.client_id()),
        );
        Err(Failure::new(Exit::Usage, message))
    }

    async fn agrees(&self, question: &str) -> bool {
        if !is_attended() {
            return false;
        }
        let answer = read_line(question, self.ask.patience).await;
        answer.is_ok_and(|answer| ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
    }

    /// What was replaced lives on at its server, unless it is revoked there.
    pub(super) async fn end(&self, replaced: Vec<Replaced>, stored: &[StoredResponse]) {
        for (key, old) in replaced {
            let new = stored.iter().find(|one| one.key == key).map(|one| &one.data);
            let is_kept = new.is_some_and(|new| {
                new.access_token == old.access_token
                    || new.refresh_token.is_some() && new.refresh_token == old.refresh_token
            });
            if is_kept || (self.ask.revoke_replaced && self.revoked(&old).await) {
                continue;
            }
            note(&format!(
                "the earlier tokens of {} were replaced and not revoked: at the server they stay good until they expire",
                text::mention(key.resource_server())
            ));
        }
    }

    /// Only at the server that issued them.
    async fn revoked(&self, old: &TokenData) -> bool {
        if !self.client.issued_by().owns(old) {
            return false;
        }
        let refresh = match &old.refresh_token {
            Some(token) => self.client.revoke(token, TokenKind::Refresh).await,
            None => Ok(()),
        };
        let access = self.client.revoke(&old.access_token, TokenKind::Access).await;
        refresh.is_ok() && (access.is_ok() || old.refresh_token.is_some())
    }

    /// What was asked for and not given.
    pub(super) fn tell(&self, stored: &[StoredResponse]) {
        let words = |text: &str| -> Vec<String> {
            // Some servers put commas between them.
            let words = text
                .split([' ', ','])
                .map(|word| word.split('[').next().unwrap_or_default());
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let granted: Vec<String> = stored.iter().flat_map(|one| words(&one.data.scope)).collect();
        let missing: Vec<String> = words(self.ask.options.scope())
            .into_iter()
            .filter(|scope| scope != "offline_access" && !granted.contains(scope))
            .collect();
        if !missing.is_empty() {
            note(&format!(
                "warning: {} did not grant these scopes: {}",
                self.server(),
                missing.join(" ")
            ));
        }
        let cannot = |one: &&StoredResponse| one.data.expires_at.is_some() && one.data.refresh_token.is_none();
        // The client needs none, and nobody, for another token.
        if self.ask.way != Way::Client && stored.iter().any(|one| cannot(&one)) {
            let asked = self
                .ask
                .options
                .scope()
                .split(' ')
                .any(|scope| scope == "offline_access");
            let hint = if asked {
                ""
            } else {
                "; many servers give one for the scope offline_access"
            };
            note(&format!(
                "{} gave no refresh token, so you will have to log in again when the token expires{hint}",
                self.server()
            ));
        }
    }
}

fn named(server: &IssuedBy) -> String {
    server.server_name().unwrap_or("a server without a name").to_owned()
}

/// The address of an issuer that is more than a host: a port, or a path for its tenants.
fn shared_address(issuer: &str) -> Option<String> {
    let (_, address) = issuer.split_once("://")?;
    let address = address.trim_end_matches('/');
    address.contains([':', '/']).then(|| address.to_owned())
}
