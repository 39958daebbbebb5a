//! Moves the tokens of a JSON file, which an earlier version of a program kept, into a SQLite database: first looked at, then
//! done, then done again, as after an interruption.
//!
//! `cargo run --example moving --features migrate,json,sqlite` works in a temporary folder and prints:
//!
//! ```text
//! would be copied: 2
//! DEFAULT/groups.api.globus.org: moved
//! DEFAULT/transfer.api.globus.org: moved
//! copied: 2, left: 0
//! once more: copied: 0, left: 0
//! at the old place: 0, at the new place: 2
//! ```

use std::error::Error;

use token_storage::{
    EnumerateExt as _, Precondition, TokenData, TokenKey, TokenStorage, TokenStorageExt as _,
    migrate::{Migration, Outcome, Selection},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let url = |scheme: &str, file: &str| format!("{scheme}:{}", folder.path().join(file).display());
    let old = token_storage::open(&url("json", "tokens.json")).await?;
    let new = token_storage::open(&url("sqlite", "tokens.db")).await?;
    for name in ["groups.api.globus.org", "transfer.api.globus.org"] {
        let token = TokenData::new(name, "read", "an-access-token").with_refresh_token("a-refresh-token");
        old.store(&TokenKey::in_default(name), &token, Precondition::Absent)
            .await?;
    }

    let looking = Migration::new(&old, &new).dry_run();
    let tally = looking.run(&Selection::All, |_, _| {}).await?;
    println!("would be copied: {}", tally.copied);

    // Refresh tokens must not be in two places, so what was copied is removed from the old one.
    let moved = Migration::new(&old, &new).remove_source();
    let tally = moved.run(&Selection::All, |key, outcome| {
        let (namespace, name) = (key.namespace(), key.resource_server());
        match outcome {
            Outcome::Copied { .. } => println!("{namespace}/{name}: moved"),
            other => println!("{namespace}/{name}: {other:?}"),
        }
    });
    let tally = tally.await?;
    println!("copied: {}, left: {}", tally.copied, tally.left);

    let again = Migration::new(&old, &new).remove_source();
    let tally = again.run(&Selection::All, |_, _| {}).await?;
    println!("once more: copied: {}, left: {}", tally.copied, tally.left);
    println!(
        "at the old place: {}, at the new place: {}",
        count(&old).await?,
        count(&new).await?
    );
    Ok(())
}

async fn count(storage: &dyn TokenStorage) -> token_storage::Result<usize> {
    let listing = storage.enumerate().expect("files can be listed");
    Ok(listing.all_keys("DEFAULT").await?.items.len())
}
