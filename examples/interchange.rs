//! Drives a storage from another program, for the interchange tests in `tests/python`: one JSON object a line on
//! standard input, one answer a line on standard output. Keys and values may be any JSON string, NUL included, which a
//! command line could not carry.
use std::io::{BufRead, Write};
use std::sync::Arc;

use serde_json::{Value, json, value::RawValue};
use token_storage::{Extra, Precondition, Secret, TokenData, TokenKey, TokenStorage, TokenStorageExt as _};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut storage: Option<Arc<dyn TokenStorage>> = None;
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("standard input")).expect("a JSON object a line");
        let answer = match answer(&mut storage, &request).await {
            Ok(answer) => json!({ "ok": answer }),
            Err(error) => json!({ "error": format!("{:?}", error.kind()), "message": error.to_string() }),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")
            .and_then(|()| out.flush())
            .expect("standard output");
    }
}

async fn answer(storage: &mut Option<Arc<dyn TokenStorage>>, request: &Value) -> token_storage::Result<Value> {
    if request["do"] == "open" {
        *storage = Some(token_storage::open(&text(request, "url")).await?);
        return Ok(Value::Null);
    }
    let storage = storage.as_ref().expect("opened before");
    let key = || TokenKey::new(text(request, "namespace"), text(request, "resource_server"));
    Ok(match request["do"].as_str() {
        Some("store") => {
            storage.store(&key(), &data(request)?, Precondition::Any).await?;
            Value::Null
        }
        // Stores what is there again, if it is still what it was when `remember` was asked.
        Some("touch") => {
            let stored = storage.get(&key()).await?.expect("something to touch");
            storage
                .store(&key(), &stored.data, Precondition::Unchanged(stored.revision))
                .await?;
            Value::Null
        }
        Some("get") => storage.get(&key()).await?.map_or(Value::Null, |stored| {
            let revision: String = stored
                .revision
                .as_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            shown(&stored.data, revision)
        }),
        Some("remove") => storage.remove(&key(), Precondition::Any).await?.into(),
        Some("keys") => {
            let listing = storage.enumerate().expect("a storage that lists");
            let page = listing.list_keys(&text(request, "namespace"), None).await?;
            let names: Vec<&str> = page.items.iter().map(TokenKey::resource_server).collect();
            json!({ "keys": names, "unnameable": page.unnameable })
        }
        other => panic!("no such request: {other:?}"),
    })
}

fn text(request: &Value, member: &str) -> String {
    request[member].as_str().expect(member).to_owned()
}

fn data(request: &Value) -> token_storage::Result<TokenData> {
    let optional = |member: &str| request[member].as_str().map(str::to_owned);
    let mut data = TokenData::new(
        optional("embedded").unwrap_or_else(|| text(request, "resource_server")),
        text(request, "scope"),
        text(request, "access_token"),
    );
    data.refresh_token = optional("refresh_token").map(Secret::from);
    data.expires_at = request["expires_at"].as_i64();
    data.token_type = optional("token_type");
    data.identity_id = optional("identity_id");
    data.extra = Extra::new();
    for (name, value) in request["extra"].as_object().into_iter().flatten() {
        data.extra.insert(name.as_str(), &value.to_string())?;
    }
    // For what no other JSON library writes.
    for (name, json) in request["raw_extra"].as_object().into_iter().flatten() {
        data.extra.insert(name.as_str(), json.as_str().expect("a text"))?;
    }
    Ok(data)
}

fn shown(data: &TokenData, revision: String) -> Value {
    let extra: serde_json::Map<String, Value> = data
        .extra
        .iter()
        .map(|(name, json)| {
            // What serde_json's own strings cannot hold, a lone surrogate, is shown as its text.
            let value = serde_json::from_str(json).unwrap_or_else(|_| Value::from(json));
            let _: &RawValue = serde_json::from_str(json).expect("extra members are JSON");
            (name.to_owned(), value)
        })
        .collect();
    json!({
        "resource_server": data.resource_server,
        "scope": data.scope,
        "access_token": data.access_token.expose(),
        "refresh_token": data.refresh_token.as_ref().map(Secret::expose),
        "expires_at": data.expires_at,
        "token_type": data.token_type,
        "identity_id": data.identity_id,
        "extra": extra,
        "revision": revision,
    })
}
