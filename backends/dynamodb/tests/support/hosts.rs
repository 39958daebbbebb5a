use std::pin::Pin;

use token_storage_core::{ErrorKind, Precondition, Result, Revision, TokenStorage, TokenStorageExt as _};
use token_storage_dynamodb::{Client, DynamoDbStorage};
use token_storage_dynamodb_testing::{ClientBuilder, Faults, Recorder, emulator};

use super::{data, fresh_table, key};

/// A storage that suffers faults, and another host's, over one table.
pub struct Hosts {
    pub faults: Faults,
    pub recorder: Recorder,
    pub faulty: DynamoDbStorage,
    pub other: DynamoDbStorage,
    pub client: Client,
    pub table: String,
}

impl Hosts {
    pub async fn new() -> Self {
        Self::with(|client| client).await
    }

    pub async fn with(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        let (client, table) = fresh_table().await;
        let (faults, recorder) = (Faults::new(), Recorder::default());
        let faulty = ClientBuilder::new(&emulator().await)
            .faults(&faults)
            .recorder(&recorder);
        Self {
            faulty: DynamoDbStorage::from_client(settings(faulty).build(), &table),
            other: DynamoDbStorage::from_client(client.clone(), &table),
            faults,
            recorder,
            client,
            table,
        }
    }

    pub fn all_faults_happened(&self) {
        assert_eq!(self.faults.left(), 0, "a planned fault did not happen");
    }

    pub async fn token(&self) -> Option<String> {
        let stored = self.other.get(&key("rs")).await.unwrap();
        stored.map(|stored| stored.data.access_token.expose().to_owned())
    }

    pub async fn revision(&self) -> Revision {
        self.other.get(&key("rs")).await.unwrap().unwrap().revision
    }

    pub async fn other_stores(&self, token: &str, precondition: Precondition) -> Revision {
        stored(&self.other, token, precondition).await
    }

    pub async fn faulty_stores(&self, token: &str, precondition: Precondition) -> Revision {
        stored(&self.faulty, token, precondition).await
    }
}

/// The message says which store it was: an async function cannot be tracked to its caller.
async fn stored(host: &DynamoDbStorage, token: &str, precondition: Precondition) -> Revision {
    let stored = host.store(&key("rs"), &data(token), precondition).await;
    stored.unwrap_or_else(|error| panic!("the store of {token:?} under {precondition:?}: {error:?}"))
}

/// For a fault during which another host stores.
pub fn store_of(
    other: &DynamoDbStorage,
    token: &'static str,
    precondition: Precondition,
) -> impl Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + use<> {
    let other = other.clone();
    move || {
        let other = other.clone();
        Box::pin(async move {
            stored(&other, token, precondition).await;
        })
    }
}

pub fn facts<T: std::fmt::Debug>(result: Result<T>) -> (ErrorKind, bool, bool) {
    let error = result.unwrap_err();
    (error.kind(), error.is_retryable(), error.may_have_applied())
}
