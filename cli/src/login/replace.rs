//! What a login stores, under which names, and what becomes of that which was there.

use std::sync::PoisonError;

use token_storage::{
    IssuedBy, StoredResponse, TokenKey, TokenResponse,
    manager::{InTheWay, ManagerError, ManagerErrorKind},
};

use super::{
    Login,
    ask::Way,
    terminal::{is_attended, read_line},
};
use crate::{Failure, Result, advice::told, text, voice::note};

impl Login<'_> {
    /// What can be found out before a person logs in: who cannot store the tokens has no use for them.
    pub(super) async fn prepare(&self) -> Result<()> {
        let key = self.session.tokens.key(&self.resource_server().await?);
        // The names of Globus's tokens come with its answer.
        let unknown = self.ask.code_page.is_some();
        loop {
            let agreed = self.agreed();
            let in_the_way = if unknown {
                InTheWay::Replace
            } else {
                self.in_the_way(&agreed)
            };
            let Err(error) = self.session.manager.prepare_login(&key, in_the_way).await else {
                return Ok(());
            };
            self.agree(&error)
                .await
                .map_err(|failure| failure.at("nobody was asked to log in"))?;
        }
    }

    /// Stores the tokens, all or none of them, and says what was not granted and what they replaced.
    pub(super) async fn store(&self, response: &TokenResponse) -> Result<Vec<StoredResponse>> {
        let namespace = self.session.tokens.namespace();
        loop {
            let agreed = self.agreed();
            let in_the_way = self.in_the_way(&agreed);
            match self
                .session
                .manager
                .store_login_with(namespace, response, in_the_way)
                .await
            {
                Ok(login) => {
                    self.tell(&login.records);
                    self.end(&login.replaced).await;
                    return Ok(login.records);
                }
                Err(error) => self.agree(&error).await?,
            }
        }
    }

    fn in_the_way<'a>(&self, agreed: &'a [TokenKey]) -> InTheWay<'a> {
        match self.ask.replace {
            true => InTheWay::Replace,
            false => InTheWay::ReplaceThese(agreed),
        }
    }

    fn agreed(&self) -> Vec<TokenKey> {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// If another server or client issued a record that is in the way, a person may say that it is replaced.
    async fn agree(&self, error: &ManagerError) -> Result<()> {
        let refused = || Failure::of_manager(error, self.session.context);
        let theirs = error.in_the_way_of().ok_or_else(refused)?;
        debug_assert_eq!(error.kind(), ManagerErrorKind::InTheWay);
        let name = text::mention(error.key().resource_server());
        let question = format!("{name} has tokens of {}. Replace them? [y/N] ", named(theirs));
        if !self.agrees(&question).await {
            return Err(refused());
        }
        let mut agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        agreed.push(error.key().clone());
        Ok(())
    }

    /// The server's name for people.
    pub(super) fn server(&self) -> String {
        named(&self.client.issued_by())
    }

    /// What a token is stored under that names no resource server: what was said, else what the library chooses.
    pub(super) async fn resource_server(&self) -> Result<String> {
        if let Some(given) = &self.ask.resource_server {
            return Ok(given.clone());
        }
        let chosen = self.session.manager.default_name(self.session.tokens.namespace()).await;
        let chosen = chosen.map_err(|error| Failure::of_manager(&error, self.session.context))?;
        Ok(chosen.unwrap_or_default())
    }

    async fn agrees(&self, question: &str) -> bool {
        if !is_attended() {
            return false;
        }
        let answer = read_line(question, self.ask.patience).await;
        answer.is_ok_and(|answer| ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
    }

    /// What was replaced lives on at its server, unless it is revoked there.
    async fn end(&self, replaced: &[StoredResponse]) {
        if self.ask.revoke_replaced {
            for (_, revoked) in self.session.manager.revoke_replaced(replaced).await {
                if let Err(error) = revoked {
                    note(&format!("warning: {}", told(&error, self.session.context)));
                }
            }
            return;
        }
        for StoredResponse { key, data, .. } in replaced {
            let theirs = IssuedBy::of(data).ok().flatten();
            note(&format!(
                "the earlier tokens of {} were replaced and not revoked: at {} they stay good until they expire",
                text::mention(key.resource_server()),
                theirs.as_ref().map_or_else(|| "their server".to_owned(), named),
            ));
        }
    }

    /// What was asked for and not given.
    fn tell(&self, stored: &[StoredResponse]) {
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
                "warning: {} did not grant these scopes: {}; ask whoever runs it, or do without them",
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
                "; ask whoever runs it"
            } else {
                "; ask for the scope offline_access, for which many servers give one"
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
