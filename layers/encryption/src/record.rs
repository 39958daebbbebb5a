//! A record, sealed: each secret member by itself, bound to its place, and the record as a whole by the seal in its extra
//! member. `docs/formats.md` describes it.

use token_storage_core::{Error, ErrorKind, Extra, Members, Result, Secret, TokenData, TokenKey, record};
use zeroize::Zeroizing;

use crate::{
    KeyId,
    envelope::{self, Closed},
    ring::KeyRing,
};

/// The extra member that holds all others, sealed, and binds the record together.
pub(crate) use record::SEAL_MEMBER as SEAL;

/// Why a record does not open. Quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This member does not open.
    Member(&'static str, Closed),
    /// This one should be sealed, and is not: the record as a whole is neither sealed nor plain.
    Mixed(&'static str),
    /// The record has no seal, or one that is not a text.
    Seal,
    /// Nothing in it is sealed, and that is not allowed.
    Plain,
}

/// What a record is, without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing in it is sealed.
    Plain,
    /// All of it is sealed with this key.
    Sealed(KeyId),
    /// Sealed with several keys or in part, or with what is not ours.
    Other,
}

/// Seals a record for a key of the storage.
pub(crate) fn seal(ring: &KeyRing, key: &TokenKey, data: &TokenData) -> Result<TokenData> {
    // Taken apart, so that a member that is new is thought of: is it a secret?
    let Members {
        access_token,
        refresh_token,
        extra,
        resource_server: _,
        scope: _,
        expires_at: _,
        token_type: _,
        identity_id: _,
    } = data.members();
    let mut sealed = data.clone();
    let token = |member: &str, token: &Secret| envelope::seal(ring.writing(), &place(key, member), token.expose());
    sealed.access_token = token("access_token", access_token)?;
    sealed.refresh_token = refresh_token.map(|own| token("refresh_token", own)).transpose()?;
    let whole = Whole::of(&sealed);
    let seal = envelope::seal(ring.writing(), &whole.bound(key), &members(extra))?;
    sealed.extra = Extra::new();
    sealed.extra.insert(SEAL, &format!("\"{}\"", seal.expose()))?;
    Ok(sealed)
}

/// Opens a record of this key of the storage.
pub(crate) fn open(ring: &KeyRing, key: &TokenKey, sealed: TokenData) -> Result<TokenData, Refusal> {
    if state(&sealed) == State::Plain {
        return Err(Refusal::Plain);
    }
    let token = |member: &'static str, token: &Secret| {
        if !envelope::is_sealed(token.expose()) {
            return Err(Refusal::Mixed(member));
        }
        let opened = envelope::open(ring, &place(key, member), token.expose());
        opened.map_err(|why| Refusal::Member(member, why))
    };
    let access_token = token("access_token", &sealed.access_token)?;
    let refresh_token = sealed
        .refresh_token
        .as_ref()
        .map(|own| token("refresh_token", own))
        .transpose()?;
    if sealed.extra.len() > 1 {
        return Err(Refusal::Mixed("extra"));
    }
    let seal = seal_of(&sealed.extra).ok_or(Refusal::Seal)?;
    let members = envelope::open(ring, &Whole::of(&sealed).bound(key), seal);
    let members = members.map_err(|why| Refusal::Member(SEAL, why))?;
    let mut opened = sealed;
    opened.extra = read_members(members.expose()).ok_or(Refusal::Seal)?;
    opened.access_token = access_token;
    opened.refresh_token = refresh_token;
    Ok(opened)
}

/// What a record is. Each text that begins like a sealed one counts as sealed: none of them is ever handed out as it is.
pub(crate) fn state(data: &TokenData) -> State {
    let tokens = std::iter::once(&data.access_token)
        .chain(&data.refresh_token)
        .map(Secret::expose);
    let seal = seal_of(&data.extra);
    let texts: Vec<&str> = tokens.chain(seal).collect();
    if !texts.iter().any(|text| envelope::is_sealed(text)) {
        return State::Plain;
    }
    let keys: Result<Vec<KeyId>, Closed> = texts.iter().map(|text| envelope::key_of(text)).collect();
    match keys.as_deref() {
        Ok([first, others @ ..]) if seal.is_some() && others.iter().all(|key| key == first) => State::Sealed(*first),
        _ => State::Other,
    }
}

/// The seal of a record, if it has one. A member of that name that is no sealed text is somebody else's.
fn seal_of(extra: &Extra) -> Option<&str> {
    let text = extra.get(SEAL)?.strip_prefix('"')?.strip_suffix('"')?;
    envelope::is_sealed(text).then_some(text)
}

fn place<'a>(key: &'a TokenKey, member: &'a str) -> [&'a [u8]; 3] {
    [key.namespace(), key.resource_server(), member].map(str::as_bytes)
}

/// What the seal binds besides the extra members: everything else in the record, tokens as they are sealed.
struct Whole([String; 7]);

impl Whole {
    fn of(sealed: &TokenData) -> Self {
        let Members {
            resource_server,
            scope,
            access_token,
            refresh_token,
            expires_at,
            token_type,
            identity_id,
            extra: _,
        } = sealed.members();
        // So that absent and empty differ.
        let optional = |text: Option<&str>| text.map_or_else(String::new, |text| format!("={text}"));
        let expires_at = expires_at.map(|seconds| seconds.to_string());
        Self([
            resource_server.to_owned(),
            scope.to_owned(),
            access_token.expose().to_owned(),
            optional(refresh_token.map(Secret::expose)),
            optional(expires_at.as_deref()),
            optional(token_type),
            optional(identity_id),
        ])
    }

    fn bound<'a>(&'a self, key: &'a TokenKey) -> Vec<&'a [u8]> {
        let members = self.0.iter().map(|text| text.as_bytes());
        place(key, "extra").into_iter().chain(members).collect()
    }
}

/// All extra members as one JSON object, each verbatim.
fn members(extra: &Extra) -> Zeroizing<String> {
    let named = |(name, json): (&str, &str)| 6 * name.len() + json.len() + 4;
    let mut object = Zeroizing::new(String::with_capacity(2 + extra.iter().map(named).sum::<usize>()));
    object.push('{');
    for (number, (name, json)) in extra.iter().enumerate() {
        if number > 0 {
            object.push(',');
        }
        object.push_str(&Zeroizing::new(serde_json::Value::from(name).to_string()));
        object.push(':');
        object.push_str(json);
    }
    object.push('}');
    object
}

/// Reads them again, verbatim, by the reader of whole records: a value that could not be set anew is kept.
fn read_members(object: &str) -> Option<Extra> {
    let rest = object.strip_prefix('{')?;
    if rest == "}" {
        return Some(Extra::new());
    }
    let mut text = Zeroizing::new(String::with_capacity(EMPTY.len() + object.len()));
    text.push_str(EMPTY);
    text.push_str(rest);
    Some(record::decode(&text).ok()?.data.extra)
}

/// A record without extra members, but for its end.
const EMPTY: &str = r#"{"resource_server":"","scope":"","access_token":"","#;

impl Refusal {
    /// As an error of the storage. `place` says where the keys are.
    pub(crate) fn into_error(self, ring: &KeyRing, place: &str) -> Error {
        let (kind, message) = match self {
            Self::Member(_, Closed::UnknownKey(id)) => (
                ErrorKind::Misconfigured,
                format!(
                    "it is sealed with the key {id}, which is not in {place}: there are {}; add that key, or log in again",
                    ring.names()
                ),
            ),
            Self::Member(_, Closed::Later) => (
                ErrorKind::Misconfigured,
                "it is sealed in a format of a later version of token-storage; update this program".to_owned(),
            ),
            Self::Member(member, Closed::Malformed) => (
                ErrorKind::Corrupt,
                format!("its {} is cut off or overwritten; {RESTORE}", named(member)),
            ),
            Self::Member(SEAL, Closed::Refused(id)) => (
                ErrorKind::Corrupt,
                format!("the record was changed after it was sealed with the key {id}; {RESTORE}"),
            ),
            Self::Member(member, Closed::Refused(id)) => (
                ErrorKind::Corrupt,
                format!(
                    "its {} was changed after it was sealed with the key {id}, or belongs to another record; {RESTORE}",
                    named(member)
                ),
            ),
            Self::Mixed(member) => (
                ErrorKind::Corrupt,
                format!(
                    "its {} is not sealed although the rest is: another program changed it; {RESTORE}",
                    named(member)
                ),
            ),
            Self::Seal => (
                ErrorKind::Corrupt,
                format!("its seal is missing: another program changed it; {RESTORE}"),
            ),
            Self::Plain => (
                ErrorKind::Misconfigured,
                "it is not encrypted, and what is not encrypted is refused here; `token-storage encrypt` encrypts what is there, \
                 --allow-plaintext reads it"
                    .to_owned(),
            ),
        };
        Error::new(kind, message)
    }
}

const RESTORE: &str = "log in again, or restore the record";

fn named(member: &str) -> &str {
    match member {
        "access_token" => "access token",
        "refresh_token" => "refresh token",
        _ => "extra part",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn ring() -> KeyRing {
        KeyRing::new(Key::from_bytes(&[7; 32]))
    }

    fn key() -> TokenKey {
        TokenKey::new("ns", "rs")
    }

    fn data(members: &[(&str, &str)]) -> TokenData {
        let mut extra = Extra::new();
        for (name, json) in members {
            extra.insert(*name, json).unwrap();
        }
        TokenData::new("rs", "read", "access-canary")
            .with_refresh_token("refresh-canary")
            .with_expires_at(5)
            .with_extra(extra)
    }

    fn opened(sealed: TokenData) -> Result<TokenData, Refusal> {
        open(&ring(), &key(), sealed)
    }

    #[test]
    fn every_record_comes_back_and_nothing_secret_shows() {
        let odd = [
            ("", "1e400"),
            (
                "a\"\n\u{1f600}",
                r#"{"b":1, "b":[ 100000000000000000000001 ],"s":"\ud800x"}"#,
            ),
            ("id_token", "\"id-canary\""),
            (SEAL, "\"a member of that name\""),
        ];
        for data in [
            data(&[]),
            data(&odd),
            TokenData::new("", "", ""),
            TokenData::new("rs", "s", "token-storage-sealed:1:whatever").with_refresh_token(""),
        ] {
            let sealed = seal(&ring(), &key(), &data).unwrap();
            assert_eq!(state(&sealed), State::Sealed(ring().writing().id()));
            let text = record::encode(&sealed, &token_storage_core::WriteMark::from_bytes([0; 16]));
            assert!(!text.contains("canary") && !text.contains("1e400"), "{}", *text);
            assert_eq!(opened(sealed).unwrap(), data);
        }
    }

    /// A value that could not be set anew: another program put it there.
    #[test]
    fn a_member_that_python_could_not_read_is_kept() {
        let deep = format!("{}{}", "[".repeat(600), "]".repeat(600));
        let text = format!(r#"{{"resource_server":"","scope":"","access_token":"at","deep":{deep}}}"#);
        let data = record::decode(&text).unwrap().data;
        let sealed = seal(&ring(), &key(), &data).unwrap();
        assert_eq!(opened(sealed).unwrap().extra.get("deep"), Some(&*deep));
    }

    #[test]
    fn what_was_changed_or_put_together_is_refused() {
        let own = seal(&ring(), &key(), &data(&[])).unwrap();
        let again = seal(&ring(), &key(), &data(&[])).unwrap();
        let moved = seal(&ring(), &TokenKey::new("ns", "other"), &data(&[])).unwrap();
        let broken = |change: &dyn Fn(&mut TokenData)| {
            let mut changed = own.clone();
            change(&mut changed);
            opened(changed).unwrap_err()
        };
        let refused = Closed::Refused(ring().writing().id());
        let whole = Refusal::Member(SEAL, refused);
        let access = Refusal::Member("access_token", refused);
        let refresh = Refusal::Member("refresh_token", refused);
        for (why, change) in [
            (
                access,
                &(|d: &mut TokenData| d.access_token = moved.access_token.clone()) as &dyn Fn(&mut TokenData),
            ),
            (access, &|d| d.access_token = own.refresh_token.clone().unwrap()),
            (refresh, &|d| d.refresh_token = Some(own.access_token.clone())),
            // Of another state of the same record.
            (whole, &|d| d.access_token = again.access_token.clone()),
            (whole, &|d| d.refresh_token = again.refresh_token.clone()),
            (whole, &|d| d.extra = again.extra.clone()),
            (whole, &|d| d.refresh_token = None),
            (whole, &|d| d.scope = "write".into()),
            (whole, &|d| d.resource_server = "other".into()),
            (whole, &|d| d.expires_at = Some(6)),
            (whole, &|d| d.expires_at = None),
            (whole, &|d| d.token_type = Some("DPoP".into())),
            (whole, &|d| d.token_type = Some(String::new())),
            (whole, &|d| d.identity_id = Some("somebody".into())),
            (Refusal::Seal, &|d| d.extra = Extra::new()),
            (Refusal::Mixed("access_token"), &|d| d.access_token = "plain".into()),
            (Refusal::Mixed("refresh_token"), &|d| {
                d.refresh_token = Some("plain".into())
            }),
            (Refusal::Mixed("extra"), &|d| d.extra.insert("more", "1").unwrap()),
            (Refusal::Seal, &|d| {
                d.extra = Extra::new();
                d.extra.insert(SEAL, "5").unwrap();
            }),
        ] {
            assert_eq!(broken(change), why);
        }
        assert_eq!(open(&ring(), &TokenKey::new("n", "srs"), own), Err(access));
    }

    #[test]
    fn a_plain_record_is_told_apart_from_one_that_pretends() {
        assert_eq!(opened(data(&[(SEAL, "\"of somebody else\"")])), Err(Refusal::Plain));
        let pretends = TokenData::new("rs", "s", "token-storage-sealed:1:whatever");
        assert_eq!(
            opened(pretends),
            Err(Refusal::Member("access_token", Closed::Malformed))
        );
    }

    #[test]
    fn s1_no_message_quotes_anything() {
        let id = ring().writing().id();
        let closed = [
            Closed::UnknownKey(id),
            Closed::Later,
            Closed::Malformed,
            Closed::Refused(id),
        ];
        let members = ["access_token", "refresh_token", SEAL];
        let every = closed
            .iter()
            .flat_map(|why| members.map(|member| Refusal::Member(member, *why)));
        for refusal in every.chain([Refusal::Mixed("extra"), Refusal::Seal, Refusal::Plain]) {
            let error = refusal.into_error(&ring(), "the key file k");
            assert!(error.message().contains("; "), "what to do: {error}");
        }
    }
}
