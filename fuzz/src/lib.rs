//! What the targets share.

use std::{future::Future, path::Path, pin::pin, sync::Arc};

use token_storage::{ErrorKind, Precondition, StoredToken, TokenData, TokenKey, TokenStorage, TokenStorageExt as _};

/// Runs what never waits for anything but files.
pub fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    let future = pin!(future);
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A folder in memory where there is one, else in the place for temporary files.
pub fn folder() -> tempfile::TempDir {
    let shared_memory = Path::new("/dev/shm");
    match shared_memory.is_dir() {
        true => tempfile::tempdir_in(shared_memory),
        false => tempfile::tempdir(),
    }
    .unwrap()
}

type Found = Vec<(TokenKey, StoredToken)>;

/// Every record that is listed and can be read. A failure has to be one that says what is wrong: damage, a file that is
/// somebody else's or for a newer program only; a key that was listed is there.
async fn readable(storage: &dyn TokenStorage) -> Found {
    let mut found = Vec::new();
    let listing = storage.enumerate().expect("both kinds of file can list");
    let mut after = None;
    loop {
        let page = match listing.list_keys("DEFAULT", after.as_ref()).await {
            Ok(page) => page,
            Err(error) => {
                assert_told(&error);
                return found;
            }
        };
        for key in page.items {
            match storage.get(&key).await {
                Ok(Some(stored)) => found.push((key, stored)),
                Ok(None) => panic!("a listed key is absent"),
                Err(error) => assert_told(&error),
            }
        }
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

fn assert_told(error: &token_storage::Error) {
    use ErrorKind::{Corrupt, Misconfigured, PermissionDenied, Unavailable};
    let kinds = [Corrupt, Misconfigured, PermissionDenied, Unavailable];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}

/// Whatever is in the file: what can be read is still there after a store, be it in a new file, and what was stored can be
/// read.
pub fn file_keeps_what_it_has(storage: Arc<dyn TokenStorage>) {
    block_on(async {
        let before = readable(&*storage).await;
        let key = TokenKey::in_default("fuzz.example.org");
        let data = TokenData::new("fuzz.example.org", "read", "an-access-token");
        if let Err(error) = storage.store(&key, &data, Precondition::Any).await {
            assert_told(&error);
            return;
        }
        let stored = storage.get(&key).await.unwrap().expect("what was stored is there");
        assert_eq!(stored.data, data);
        for (other, was) in before {
            if other != key {
                let is = storage.get(&other).await.unwrap().expect("others' records stay");
                assert_eq!(is.data, was.data);
            }
        }
    });
}

/// An HTTP client that gives these answers in turn, whatever is asked; the last one for ever.
#[cfg(feature = "oauth")]
pub fn answers(answers: Vec<(u16, Vec<u8>)>) -> token_storage::oauth::HttpClient {
    token_storage::oauth::HttpClient::with_transport(Arc::new(Answers(std::sync::Mutex::new(answers))))
}

#[cfg(feature = "oauth")]
#[derive(Debug)]
struct Answers(std::sync::Mutex<Vec<(u16, Vec<u8>)>>);

#[cfg(feature = "oauth")]
#[token_storage::async_trait]
impl token_storage::oauth::HttpTransport for Answers {
    async fn send(
        &self,
        _request: token_storage::oauth::HttpRequest,
    ) -> Result<token_storage::oauth::HttpAnswer, token_storage::manager::EndpointError> {
        let mut answers = self.0.lock().unwrap();
        let (status, body) = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.remove(0),
        };
        Ok(token_storage::oauth::HttpAnswer::new(status, body))
    }
}
