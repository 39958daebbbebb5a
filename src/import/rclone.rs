//! `rclone.conf`: an INI file, in which each remote has its login.

use std::collections::BTreeMap;

use token_storage_core::Result;

use super::{Found, Program, invalid, nothing};
use crate::{IssuedBy, TokenResponse};

pub(super) fn read(file: &[u8], now: i64) -> Result<Vec<Found>> {
    let text = str::from_utf8(file).map_err(|_| invalid("it is no rclone.conf: that is a text"))?;
    if text.contains("RCLONE_ENCRYPT_V0:") {
        let message =
            "this rclone.conf is encrypted; write it out with `rclone config show` to a file that only you may read";
        return Err(invalid(message));
    }
    let found = remotes(text)
        .into_iter()
        .filter_map(|(name, options)| {
            let token = options.get("token").filter(|token| !token.is_empty())?;
            Some(found(name, token, &options, now))
        })
        .collect::<Result<Vec<Found>>>()?;
    if found.is_empty() {
        Err(nothing(Program::Rclone))
    } else {
        Ok(found)
    }
}

fn found(name: &str, token: &str, options: &BTreeMap<&str, &str>, now: i64) -> Result<Found> {
    let response = TokenResponse::parse(token, now)?;
    let given = |option: &str| options.get(option).copied().filter(|value| !value.is_empty());
    let from = given("client_id").map(|client_id| IssuedBy {
        client_id: Some(client_id.to_owned()),
        token_endpoint: given("token_url").map(str::to_owned),
        ..IssuedBy::default()
    });
    let own = from.is_none();
    let mut found = Found::of(response, name, from.as_ref())?;
    if own {
        found.lost = vec![
            "rclone logged in as its own client, whose secret is not in the file: only rclone can refresh this one."
                .to_owned(),
        ];
    } else {
        found.lost.push(
            "The client's secret is left behind, as rclone only hides it; a refresh has to be given it.".to_owned(),
        );
        if given("token_url").is_none() {
            found
                .lost
                .push("The file does not name the server: a refresh has to be told.".to_owned());
        }
    }
    Ok(found)
}

/// The sections and their options. rclone writes neither continued lines nor quotes.
fn remotes(text: &str) -> BTreeMap<&str, BTreeMap<&str, &str>> {
    let mut remotes = BTreeMap::<&str, BTreeMap<&str, &str>>::new();
    let mut name = None;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name = Some(section);
        } else if let (Some(name), Some((option, value))) = (name, line.split_once('='))
            && !line.starts_with(['#', ';'])
        {
            remotes.entry(name).or_default().insert(option.trim(), value.trim());
        }
    }
    remotes
}
