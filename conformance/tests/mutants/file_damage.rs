//! File storages that treat a damaged file badly: clause D3.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use token_storage_core::{ErrorKind, Result, StoredToken, TokenKey, TokenStorage as _};

use crate::{
    Mutant,
    files::{Broken, Change, Done, around, beside, error},
    registry::file,
};

pub(crate) fn mutants() -> Vec<Mutant> {
    vec![
        file::<DamageIsNoTokens>("damage is no tokens", "damage::a_truncated_file_is_corrupt_and_kept"),
        file::<DamageIsUnavailable>("damage is unavailable", "damage::a_file_of_nulls_is_corrupt_and_kept"),
        file::<DamageWithoutPlace>(
            "damage without its place",
            "damage::a_file_of_something_else_is_corrupt_and_kept",
        ),
        file::<MovesDamageOnGet>("moves damage on get", "damage::a_truncated_file_is_corrupt_and_kept"),
        file::<WritesOverDamage>("writes over damage", "damage::a_file_of_nulls_is_corrupt_and_kept"),
        file::<StartsFromNothing>(
            "starts from nothing where something can be read",
            "damage::bytes_behind_the_end_cost_no_record",
        ),
        file::<RemembersDamage>("remembers damage", "damage::a_damaged_file_can_be_repaired"),
        file::<QuotesDamage>("quotes damage", "damage::errors_show_no_token"),
    ]
}

/// What a read of a damaged file answers instead.
macro_rules! damaged {
    ($(#[$meta:meta])* $name:ident, $answer:expr) => {
        around!(
            $(#[$meta])*
            $name {
                async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
                    match broken.inner.get(key).await {
                        Err(error) if error.kind() == ErrorKind::Corrupt => {
                            let answer: fn(&Path, token_storage_core::Error) -> Result<Option<StoredToken>> = $answer;
                            answer(&broken.path, error)
                        }
                        other => other,
                    }
                }
            }
        );
    };
}

damaged!(
    /// A damaged file has no tokens.
    DamageIsNoTokens,
    |_, _| Ok(None)
);
damaged!(
    /// A damaged file is a storage out of reach.
    DamageIsUnavailable,
    |path, _| Err(error(ErrorKind::Unavailable, path.display().to_string()))
);
damaged!(
    /// A damaged file is reported without its name.
    DamageWithoutPlace,
    |_, _| Err(error(ErrorKind::Corrupt, "the storage is damaged"))
);
damaged!(
    /// A read moves the damaged file aside.
    MovesDamageOnGet,
    |path, error| {
        let _ = fs::rename(path, beside(path, ".damaged"));
        Err(error)
    }
);
damaged!(
    /// The error quotes what could not be parsed.
    QuotesDamage,
    |path, _| {
        let bytes = fs::read(path).unwrap_or_default();
        let end = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(200)..]).into_owned();
        Err(error(ErrorKind::Corrupt, format!("{}: near {end}", path.display())))
    }
);

around!(
    /// Writes over a damaged file, and what may still be saved of it is gone.
    WritesOverDamage {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let bytes = fs::read(&broken.path).unwrap_or_default();
            if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() {
                let _ = fs::remove_file(&broken.path);
            }
            change.apply(&broken.inner).await
        }
    }
);

around!(
    /// Keeps a damaged file, and goes on without what can be read of it.
    StartsFromNothing {
        async fn write(broken: &Broken<Self>, change: Change<'_>) -> Result<Done> {
            let bytes = fs::read(&broken.path).unwrap_or_default();
            if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() {
                let kept = format!(".damaged-{}", bytes.len());
                let _ = fs::rename(&broken.path, beside(&broken.path, &kept));
            }
            change.apply(&broken.inner).await
        }
    }
);

static DAMAGED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

around!(
    /// What was damaged once is damaged for as long as the process lives.
    RemembersDamage {
        async fn get(broken: &Broken<Self>, key: &TokenKey) -> Result<Option<StoredToken>> {
            if DAMAGED.lock().unwrap().contains(&broken.path) {
                return Err(error(ErrorKind::Corrupt, broken.path.display().to_string()));
            }
            let answer = broken.inner.get(key).await;
            if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Corrupt) {
                DAMAGED.lock().unwrap().insert(broken.path.clone());
            }
            answer
        }
    }
);
