//! `MyStorage` keeps the contract, as soon as this is green.

use std::{process::ExitCode, sync::Arc};

use my_token_storage::MyStorage;
use token_storage_conformance::{Harness, Suite};
use token_storage_core::{Result, TokenStorage, async_trait};

struct Mine;

#[async_trait]
impl Harness for Mine {
    /// One storage's data: a temporary directory, the name of a table. Dropping it should remove the data.
    type Place = String;

    async fn fresh(&self) -> Result<String> {
        Ok("a new, empty place for each case".to_owned())
    }

    async fn reopen(&self, place: &String) -> Result<Arc<dyn TokenStorage>> {
        Ok(Arc::new(MyStorage::open(place)?))
    }
}

fn main() -> ExitCode {
    // Declare here what `describe` says: `.enumerates()`, `.process_leases()`, `.durable()`, `.processes()`, ...
    Suite::new("mine", Mine).main()
}
