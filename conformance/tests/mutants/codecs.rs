//! Values that come back as the format or the database has them: clause K1.

use token_storage_core::{Extra, Secret, TokenData};

use crate::{Mutant, flaw::written, registry::memory};

pub(crate) fn mutants() -> Vec<Mutant> {
    const VERBATIM: &str = "records::extra_values_are_verbatim";
    const CODECS: &str = "records::values_that_codecs_read_as_their_own_round_trip";
    const ODD_TEXT: &str = "records::odd_text_round_trips_in_every_field";
    const ENDS: &str = "records::the_ends_of_fields_are_kept";
    vec![
        memory::<EmptyListIsObject>("an empty list is an object", VERBATIM),
        memory::<DropsNull>("a member that is null is none", VERBATIM),
        memory::<FlattensLists>("lists have one level", "records::nested_members_round_trip"),
        memory::<NoEmptyName>("a member without a name is none", "records::extra_names_are_exact"),
        memory::<TruthIsANumber>("truth is a number", VERBATIM),
        memory::<DigitsAreANumber>("a text of digits is a number", CODECS),
        memory::<NullTextIsNull>("the text null is null", CODECS),
        memory::<NoEmojiInScopes>("a scope has no emoji", ODD_TEXT),
        memory::<ComposesIdentities>("an identity is composed", ODD_TEXT),
        memory::<NoByteOrderMark>("a byte order mark is no text", ENDS),
        memory::<TrimsRefreshTokens>("trims refresh tokens", ENDS),
        memory::<TrimsScopes>("trims scopes", ENDS),
        memory::<EndsIdentityAtNul>(
            "an identity ends at NUL",
            "records::every_control_character_round_trips",
        ),
        memory::<ServersInSmallLetters>("resource servers in small letters", ODD_TEXT),
        memory::<SchemesInSmallLetters>("token types in small letters", "records::token_types_are_exact"),
        memory::<ExpiryIsADouble>("the expiry is a double", "records::any_expiry_round_trips"),
        memory::<ZeroExpiryIsNone>("an expiry of 0 is none", "records::unknown_expiry_is_not_zero"),
    ]
}

/// Each member as `change` has it; `None` drops it.
fn members(data: &mut TokenData, change: impl Fn(&str, &str) -> Option<String>) {
    let mut changed = Extra::new();
    for (name, json) in data.extra.iter() {
        if let Some(json) = change(name, json) {
            changed.insert(name, &json).expect("it is JSON still");
        }
    }
    data.extra = changed;
}

fn text(secret: &Secret) -> String {
    secret.expose().to_owned()
}

/// A few letters are enough.
fn composed(text: &str) -> String {
    let pairs = [
        ("e\u{301}", "\u{e9}"),
        ("a\u{308}", "\u{e4}"),
        ("o\u{308}", "\u{f6}"),
        ("u\u{308}", "\u{fc}"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (two, one)| text.replace(two, one))
}

written! {
    /// As Lua's JSON has it.
    EmptyListIsObject, |data| members(&mut data, |_, json| Some(if json == "[]" { "{}" } else { json }.to_owned()));
    /// As many encoders have it.
    DropsNull, |data| members(&mut data, |_, json| (json != "null").then(|| json.to_owned()));
    /// An array of the database has elements of one type.
    FlattensLists, |data| members(&mut data, |_, json| {
        let inner = json.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]"));
        Some(inner.map_or_else(|| json.to_owned(), |inner| format!("[{}]", inner.replace("[", "").replace("]", ""))))
    });
    /// An attribute has a name.
    NoEmptyName, |data| members(&mut data, |name, json| (!name.is_empty()).then(|| json.to_owned()));
    /// A database without truth values.
    TruthIsANumber, |data| members(&mut data, |_, json| Some(match json {
        "true" => "1".to_owned(),
        "false" => "0".to_owned(),
        other => other.to_owned(),
    }));
    /// A column that has an affinity for numbers.
    DigitsAreANumber, |data| members(&mut data, |_, json| {
        let digits = json.trim_matches('"');
        let number = digits.parse::<u32>().is_ok_and(|number| number.to_string() == digits);
        Some(if number { digits } else { json }.to_owned())
    });
    /// As YAML and some drivers have it.
    NullTextIsNull, |data| members(&mut data, |_, json| Some(if json == "\"null\"" { "null" } else { json }.to_owned()));
    /// Three bytes for a character.
    NoEmojiInScopes, |data| data.scope = data.scope.replace(|c: char| c > '\u{ffff}', "?");
    /// A column of the database is in NFC.
    ComposesIdentities, |data| data.identity_id = data.identity_id.as_deref().map(composed);
    /// It takes it for a sign of the encoding.
    NoByteOrderMark, |data| data.access_token = text(&data.access_token).trim_start_matches('\u{feff}').into();
    /// A column of a fixed length.
    TrimsRefreshTokens, |data| {
        data.refresh_token = data.refresh_token.as_ref().map(|token| text(token).trim_end().into());
    };
    /// A list of words.
    TrimsScopes, |data| data.scope = data.scope.trim().to_owned();
    /// A text of C.
    EndsIdentityAtNul, |data| {
        data.identity_id = data.identity_id.as_deref().map(|id| id.split('\0').next().unwrap_or_default().to_owned());
    };
    /// Hosts have no case.
    ServersInSmallLetters, |data| data.resource_server = data.resource_server.to_ascii_lowercase();
    /// RFC 6749 says that types have no case.
    SchemesInSmallLetters, |data| data.token_type = data.token_type.as_deref().map(str::to_ascii_lowercase);
    /// As in JavaScript.
    ExpiryIsADouble, |data| data.expires_at = data.expires_at.map(|at| at as f64 as i64);
    /// It is false.
    ZeroExpiryIsNone, |data| data.expires_at = data.expires_at.filter(|at| *at != 0);
}
