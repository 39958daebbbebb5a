//! Works on one table at the request of a script, for the tests of interchange with Python: reads commands from standard
//! input, one JSON array a line, and answers each with one JSON value a line. It prints tokens: for tests only.
//!
//! ```text
//! ["get", NAMESPACE, RESOURCE_SERVER]                      -> null or [RECORD, REVISION]
//! ["store", NAMESPACE, RESOURCE_SERVER, RECORD, REVISION]  -> REVISION or "conflict"
//! ["remove", NAMESPACE, RESOURCE_SERVER, REVISION]         -> true, false or "conflict"
//! ["lease", NAMESPACE, RESOURCE_SERVER]                    -> true; it is held until the end
//! ```
//! `RECORD` is the text of a record as `token_storage_core::record` reads it; `REVISION` is `"any"`, `"absent"` or what
//! was answered before.

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};
use token_storage_core::{
    Acquisition, ErrorKind, LeaseGuard, Precondition, Result, Revision, TokenKey, TokenStorage, TokenStorageExt as _,
    WriteMark, record,
};
use token_storage_dynamodb::DynamoDbStorage;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).expect("usage: dynamodb_interchange URL");
    let storage = DynamoDbStorage::open(&url).await.expect("the URL names a table");
    let mut leases = Vec::new();
    for line in io::stdin().lock().lines() {
        let command: Vec<String> = serde_json::from_str(&line.expect("a line")).expect("an array of strings");
        let answer = match run(&storage, &command, &mut leases).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::Conflict => json!("conflict"),
            Err(error) => json!({ "error": error.to_string() }),
        };
        println!("{answer}");
        io::stdout().flush().expect("somebody reads");
    }
}

async fn run(storage: &DynamoDbStorage, command: &[String], leases: &mut Vec<Box<dyn LeaseGuard>>) -> Result<Value> {
    let key = TokenKey::new(command[1].as_str(), command[2].as_str());
    Ok(match command[0].as_str() {
        "get" => match storage.get(&key).await? {
            None => Value::Null,
            Some(stored) => {
                let text = record::encode(&stored.data, &WriteMark::from_bytes([0; 16]));
                json!([text.as_str(), hex(&stored.revision)])
            }
        },
        "store" => {
            let record = record::decode(&command[3]).expect("a record");
            json!(hex(&storage
                .store(&key, &record.data, precondition(&command[4]))
                .await?))
        }
        "remove" => json!(storage.remove(&key, precondition(&command[3])).await?),
        "lease" => match storage.lease().expect("it has leases").try_acquire(&key).await? {
            Acquisition::Acquired(guard) => {
                leases.push(guard);
                json!(true)
            }
            Acquisition::Held { .. } => json!(false),
        },
        other => panic!("unknown command {other}"),
    })
}

fn precondition(text: &str) -> Precondition {
    match text {
        "any" => Precondition::Any,
        "absent" => Precondition::Absent,
        hex => {
            let digit = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal digits");
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
            Precondition::Unchanged(Revision::from_bytes(&bytes).expect("a revision"))
        }
    }
}

fn hex(revision: &Revision) -> String {
    revision.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
