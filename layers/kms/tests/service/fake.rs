//! A service in this process that keeps what KMS promises of the two requests, over HTTP, and fails when it is told to.

use std::{
    collections::HashSet,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use aws_credential_types::Credentials;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use token_storage_kms::{Client, Kms};

#[derive(Default)]
pub(crate) struct State {
    wrapped: Vec<Wrapped>,
    /// What was asked, in order.
    pub(crate) asked: Vec<String>,
    /// Answers in place of the right ones: status and code.
    pub(crate) trouble: Option<(u16, &'static str)>,
    pub(crate) missing: HashSet<&'static str>,
    /// How long keys are.
    pub(crate) short: bool,
}

struct Wrapped {
    key: String,
    context: Value,
    plaintext: Vec<u8>,
}

pub(crate) struct Fake {
    url: String,
    pub(crate) state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, shared) = (stream.unwrap(), shared.clone());
                thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { url, state }
    }

    /// One try, so that trouble does not take pauses.
    pub(crate) fn kms(&self, key: &str) -> Kms {
        kms_at(&self.url, key)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    pub(crate) fn fail(&self, trouble: Option<(u16, &'static str)>) {
        self.state.lock().unwrap().trouble = trouble;
    }

    /// All keys that were given out, in base64.
    pub(crate) fn keys(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state
            .wrapped
            .iter()
            .map(|wrapped| STANDARD.encode(&wrapped.plaintext))
            .collect()
    }
}

pub(crate) fn kms_at(url: &str, key: &str) -> Kms {
    Kms::new(key).unwrap().with_client(Client::from_conf(config(url)))
}

fn config(url: &str) -> aws_sdk_kms::Config {
    aws_sdk_kms::Config::builder()
        .behavior_version(aws_sdk_kms::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_kms::config::Region::new("eu-central-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(aws_sdk_kms::config::retry::RetryConfig::disabled())
        .build()
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let Some((operation, body)) = request(&mut stream) else {
        return;
    };
    let (status, answer) = state.lock().unwrap().answer(&operation, &body);
    let text = answer.to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\nx-amzn-requestid: request-7\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{text}",
        text.len()
    );
}

/// The operation, and the body.
fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let (mut bytes, mut more) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut more) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&more[..read]),
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let header = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            let mut found = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.trim().to_owned())
        };
        if body.len() < header("content-length").unwrap().parse().unwrap() {
            continue;
        }
        let operation = header("x-amz-target").unwrap().replace("TrentService.", "");
        return Some((operation, serde_json::from_str(body).unwrap()));
    }
}

impl State {
    fn answer(&mut self, operation: &str, body: &Value) -> (u16, Value) {
        self.asked.push(operation.to_owned());
        if let Some((status, code)) = self.trouble {
            return refused(status, code);
        }
        let key = body["KeyId"].as_str().unwrap();
        if self.missing.contains(key) {
            return refused(400, "NotFoundException");
        }
        match operation {
            "GenerateDataKey" => self.generate(key, body),
            "Decrypt" => self.decrypt(key, body),
            other => panic!("{other} was asked for"),
        }
    }

    fn generate(&mut self, key: &str, body: &Value) -> (u16, Value) {
        assert_eq!(body["KeySpec"], "AES_256");
        let number = self.wrapped.len() as u8;
        let plaintext = vec![number + 100; if self.short { 16 } else { 32 }];
        let answer = json!({
            "KeyId": key, "Plaintext": STANDARD.encode(&plaintext), "CiphertextBlob": STANDARD.encode([number]),
        });
        let (key, context) = (key.to_owned(), body["EncryptionContext"].clone());
        self.wrapped.push(Wrapped {
            key,
            context,
            plaintext,
        });
        (200, answer)
    }

    fn decrypt(&self, key: &str, body: &Value) -> (u16, Value) {
        let blob = STANDARD.decode(body["CiphertextBlob"].as_str().unwrap()).unwrap();
        let found = match *blob.as_slice() {
            [number] => self.wrapped.get(usize::from(number)),
            _ => None,
        };
        match found {
            None => refused(400, "InvalidCiphertextException"),
            Some(wrapped) if wrapped.key != key => refused(400, "IncorrectKeyException"),
            Some(wrapped) if wrapped.context != body["EncryptionContext"] => refused(400, "InvalidCiphertextException"),
            Some(wrapped) => {
                let answer = json!({"KeyId": key, "Plaintext": STANDARD.encode(&wrapped.plaintext)});
                (200, answer)
            }
        }
    }
}

fn refused(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"__type": code, "message": "canary"}))
}
