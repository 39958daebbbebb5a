use std::{fmt, time::Instant};

use aws_sdk_kms::{
    Client,
    error::ProvideErrorMetadata as _,
    primitives::Blob,
    types::{DataKeySpec, EncryptionAlgorithmSpec::SymmetricDefault},
};
use token_storage_aws::{Place, Service, is_plain_http, quiet};
use token_storage_core::{Error, ErrorKind, Result, async_trait};
use token_storage_encryption::{Key, KeyWrap};
use tokio::sync::{Mutex, OnceCell};
use zeroize::Zeroizing;

use crate::{
    error::{self, ANOTHER_KEY, NO_ACCESS},
    name::check_key,
    private::{Private, READABLE, is_private},
};

/// The name in the encryption context of each request; its value is that of [`Kms::context`].
pub const CONTEXT: &str = "token-storage";
const USUAL_CONTEXT: &str = "keys";

/// A key of AWS KMS that wraps key files; symmetric (`SYMMETRIC_DEFAULT`).
///
/// It is asked to unwrap the same thing once, however many tasks need it, and remembers what it unwrapped last until it is dropped. So
/// a permission that is taken away, or a key that is disabled, counts from the next start of a program, or from when it needs a file
/// that has changed.
pub struct Kms {
    key: String,
    old: Option<String>,
    context: String,
    service: Service,
    client: OnceCell<Client>,
    asked: Mutex<Asked>,
}

/// What KMS said last.
#[derive(Default)]
struct Asked {
    unwrapped: Option<(Vec<u8>, Key)>,
    failed: Option<(Vec<u8>, Error, Instant)>,
}

impl Kms {
    /// The key of this name: `alias/NAME`, an id, or an ARN. Nothing is asked.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: it is none of these. It is not quoted.
    pub fn new(key: &str) -> Result<Self> {
        check_key(key)?;
        Ok(Self {
            key: key.to_owned(),
            old: None,
            context: USUAL_CONTEXT.to_owned(),
            service: Service::default(),
            client: OnceCell::new(),
            asked: Mutex::default(),
        })
    }

    /// The AWS region, for example `eu-central-1`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.service.region = Some(region.into());
        self
    }

    /// Another service than AWS's own of that region: an emulator, a VPC endpoint. `https://`, or `http://` to this machine.
    ///
    /// # Errors
    /// - [`ErrorKind::Misconfigured`]: it is something else. It is not quoted.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Result<Self> {
        let endpoint = endpoint.into();
        if is_plain_http(&endpoint)? && !is_private(&endpoint) {
            return Err(Error::new(ErrorKind::Misconfigured, READABLE));
        }
        self.service.endpoint = Some(endpoint);
        Ok(self)
    }

    /// The profile in AWS's shared configuration files.
    #[must_use]
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.service.profile = Some(profile.into());
        self
    }

    /// What the wrapped key is for, `keys` unless set. A file that was wrapped for something else is refused, also where the same key
    /// of KMS wrapped it: set it where several applications have one key. It is no secret: KMS logs it, and policies may
    /// ask for it (`kms:EncryptionContext:token-storage`).
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context = context.into();
        self
    }

    /// Another key of KMS that files may be wrapped by which were not written since this one is used. It wraps nothing any more.
    ///
    /// # Errors
    /// - As [`Kms::new`].
    pub fn old(mut self, key: &str) -> Result<Self> {
        check_key(key)?;
        self.old = Some(key.to_owned());
        Ok(self)
    }

    /// Asks through a client that is ready; region, endpoint and profile do not count then. Its endpoint, too, must be `https://`, or
    /// `http://` to this machine: a request elsewhere is refused before it is sent.
    #[must_use]
    pub fn with_client(mut self, client: Client) -> Self {
        self.client = OnceCell::new_with(Some(client));
        self
    }

    async fn client(&self) -> Result<&Client> {
        let load = || async {
            let shared = self.service.load().await?;
            Ok(Client::new(&shared))
        };
        self.client.get_or_try_init(load).await
    }

    fn place_of(&self, key: &str) -> Place {
        let known = self.client.get().and_then(|client| client.config().region());
        Place {
            what: format!("KMS key {key}"),
            region: known.map(ToString::to_string).or_else(|| self.service.region.clone()),
            endpoint: self.service.endpoint.clone(),
        }
    }

    async fn decrypt(&self, wrapped: &[u8]) -> Result<Key> {
        let client = self.client().await?;
        let keys = [Some(&self.key), self.old.as_ref()];
        let (mut refused, mut another) = (None, None);
        for key in keys.into_iter().flatten() {
            // The key is named, so that KMS takes nothing that somebody else's key has wrapped.
            let request = client
                .decrypt()
                .ciphertext_blob(Blob::new(wrapped))
                .key_id(key)
                .encryption_algorithm(SymmetricDefault)
                .encryption_context(CONTEXT, &self.context)
                .customize()
                .interceptor(Private);
            match quiet(request.send()).await {
                Ok(output) => return self.key_from(output.plaintext),
                Err(error) => {
                    let code = error.code().map(str::to_owned);
                    let error = error::of(&error, &self.place_of(key));
                    match code.as_deref() {
                        Some(ANOTHER_KEY) => another = Some(error),
                        // Also of a key that one may not use it is told so, and of one that is of another account.
                        Some(NO_ACCESS) => refused = refused.or(Some(error)),
                        _ => return Err(error),
                    }
                }
            }
        }
        Err(refused.or(another).unwrap_or_else(|| self.senseless()))
    }

    /// The bytes are wiped; the copies that the SDK, HTTP and TLS made on the way are not.
    fn key_from(&self, plaintext: Option<Blob>) -> Result<Key> {
        let bytes = Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default());
        let bytes: &[u8; Key::LEN] = bytes.as_slice().try_into().map_err(|_| self.senseless())?;
        Ok(Key::from_bytes(bytes))
    }

    fn senseless(&self) -> Error {
        let place = self.place_of(&self.key).describe();
        let message = format!(
            "{place} gave no key of {} bytes; is it KMS that answers there?",
            Key::LEN
        );
        Error::new(ErrorKind::Misconfigured, message)
    }
}

#[async_trait]
impl KeyWrap for Kms {
    fn name(&self) -> &'static str {
        "kms"
    }

    async fn generate(&self) -> Result<(Key, Vec<u8>)> {
        let request = self
            .client()
            .await?
            .generate_data_key()
            .key_id(&self.key)
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(CONTEXT, &self.context)
            .customize()
            .interceptor(Private);
        let answer = quiet(request.send()).await;
        let output = answer.map_err(|error| error::of(&error, &self.place_of(&self.key)))?;
        let wrapped = output.ciphertext_blob.map(Blob::into_inner).unwrap_or_default();
        if wrapped.is_empty() {
            return Err(self.senseless());
        }
        Ok((self.key_from(output.plaintext)?, wrapped))
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<Key> {
        let began = Instant::now();
        let mut asked = self.asked.lock().await;
        if let Some((known, key)) = &asked.unwrapped
            && known == wrapped
        {
            return Ok(key.clone());
        }
        // Who waited for a request that failed is told the same, else each of them would wait for one of its own in turn.
        if let Some((known, error, at)) = &asked.failed
            && known == wrapped
            && *at >= began
        {
            return Err(error.clone());
        }
        match self.decrypt(wrapped).await {
            Ok(key) => {
                asked.unwrapped = Some((wrapped.to_vec(), key.clone()));
                Ok(key)
            }
            Err(error) => {
                asked.failed = Some((wrapped.to_vec(), error.clone(), Instant::now()));
                Err(error)
            }
        }
    }

    fn place(&self) -> String {
        self.place_of(&self.key).describe()
    }
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kms")
            .field("key", &self.key)
            .field("old", &self.old)
            .field("context", &self.context)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}
