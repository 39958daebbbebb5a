//! From the text of a response to its tokens.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use token_storage_core::{Error, Extra, RESERVED_PREFIX, Result, Secret};

use super::{
    ResponseToken, expiry, invalid,
    members::{decode_string, elements, members},
    path::{TokenPath, wrapper},
    text,
    warning::ResponseWarning,
};

/// The error codes of RFC 6749 section 5.2 and RFC 8628 section 3.5. Only these are repeated in a message: anything else
/// that a server puts there might be a secret.
const ERROR_CODES: [&str; 10] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
    "authorization_pending",
    "slow_down",
    "expired_token",
];

// A member's name, and what else it is called: by Google's libraries, those of Java and JavaScript, Docker, ASP.NET,
// Azure, Go. The standard name counts before the others.
const ACCESS_TOKEN: &[&str] = &["access_token", "accessToken", "token"];
const REFRESH_TOKEN: &[&str] = &["refresh_token", "refreshToken"];
const TOKEN_TYPE: &[&str] = &["token_type", "tokenType"];
const SCOPE: &[&str] = &["scope", "scopes"];
const EXPIRES_IN: &[&str] = &["expires_in", "expiresIn"];
/// Members that name the time itself. Each of them counts, the earliest in the end.
const EXPIRES_AT: [&str; 9] = [
    "expires_at",
    "expires_on",
    "expiry",
    "expires",
    ".expires",
    "expiresAt",
    "expiry_date",
    "token_expiry",
    "expiration",
];
/// The expiry in a stored record, which is a response as well. It has the standard names alone.
const RECORD_EXPIRY: &str = "expires_at_seconds";

pub(super) struct Parsed {
    /// Never empty.
    pub(super) tokens: Vec<ResponseToken>,
    pub(super) warnings: Vec<ResponseWarning>,
}

pub(super) fn response(body: &[u8], path: Option<&TokenPath>, now: i64) -> Result<Parsed> {
    let mut warnings = Vec::new();
    let json = text::json(body, &mut warnings);
    let odd_text = warnings.first().map(|warning| warning.problem().to_owned());
    let tokens = json.and_then(|json| tokens(&json, path, now, &mut warnings));
    match (tokens, odd_text) {
        (Ok(tokens), _) => Ok(Parsed { tokens, warnings }),
        (Err(error), None) => Err(error),
        (Err(error), Some(odd)) => Err(invalid(format!("{}; and {odd}", error.message()))),
    }
}

fn tokens(
    json: &str,
    path: Option<&TokenPath>,
    now: i64,
    warnings: &mut Vec<ResponseWarning>,
) -> Result<Vec<ResponseToken>> {
    let root = at(json, path, warnings)?;
    match root.as_bytes()[0] {
        b'{' => object(root, now, warnings),
        b'[' => array(root, now, warnings),
        _ => Err(invalid("the response is neither a JSON object nor an array of them")),
    }
}

/// What the path leads to. Servers that wrap the token at login do not always do so when it is refreshed.
fn at<'a>(json: &'a str, path: Option<&TokenPath>, warnings: &mut Vec<ResponseWarning>) -> Result<&'a str> {
    let Some(path) = path else { return Ok(json) };
    if let Some(found) = path.follow(json) {
        return Ok(found);
    }
    let problem = "the response has nothing where the token was said to be";
    let members = members(json).unwrap_or_default();
    let has = |name: &str| members.iter().any(|(member, _)| member.as_deref() == Some(name));
    if !has("access_token") && !has("error") {
        return Err(invalid(problem));
    }
    warnings.push(ResponseWarning::new(
        "",
        problem,
        "so the token at its top level is taken",
    ));
    Ok(json)
}

fn object(root: &str, now: i64, warnings: &mut Vec<ResponseWarning>) -> Result<Vec<ResponseToken>> {
    let mut reader = Reader::new(root, Place::Root, warnings)?;
    let others = reader.take(&["other_tokens"]).map(|(_, json)| json);
    let mut tokens = vec![reader.token(now)?];
    match others.map(elements) {
        None => {}
        Some(Some(others)) => {
            for (index, other) in others.into_iter().enumerate() {
                match Reader::new(other, Place::Other(index), warnings).and_then(|reader| reader.token(now)) {
                    Ok(token) => tokens.push(token),
                    Err(error) => warnings.push(left_out("other_tokens", &error)),
                }
            }
        }
        Some(None) => {
            let problem = "the member `other_tokens` of the response is not an array".to_owned();
            warnings.push(ResponseWarning::absent("other_tokens", problem));
        }
    }
    Ok(tokens)
}

fn array(root: &str, now: i64, warnings: &mut Vec<ResponseWarning>) -> Result<Vec<ResponseToken>> {
    let mut tokens = Vec::new();
    let mut first = None;
    for (index, element) in elements(root).unwrap_or_default().into_iter().enumerate() {
        match Reader::new(element, Place::Element(index), warnings).and_then(|reader| reader.token(now)) {
            Ok(token) => tokens.push(token),
            Err(error) => {
                warnings.push(left_out("", &error));
                first.get_or_insert(error);
            }
        }
    }
    match (tokens.is_empty(), first) {
        (false, _) => Ok(tokens),
        (true, Some(error)) => Err(error),
        (true, None) => Err(invalid("the response is an empty array; it holds no token")),
    }
}

fn left_out(member: &'static str, error: &Error) -> ResponseWarning {
    ResponseWarning::new(member, error.message(), "so that token is left out")
}

/// Which token of the response is meant, for messages.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Other(usize),
    Element(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root => f.write_str("the response"),
            Self::Other(index) => write!(f, "other_tokens[{index}] of the response"),
            Self::Element(index) => write!(f, "element {index} of the response"),
        }
    }
}

/// The names of members that are there more than once, and do not say the same.
fn contradicted<'m>(members: &'m [(Cow<'_, str>, &str)]) -> BTreeSet<&'m str> {
    let mut seen = HashMap::with_capacity(members.len());
    let differs =
        |(name, value): &&'m (Cow<'_, str>, &'m str)| seen.insert(&**name, *value).is_some_and(|old| old != *value);
    members.iter().filter(differs).map(|(name, _)| &**name).collect()
}

/// The members of one token, from which those that have a meaning are taken one by one. The rest is extra.
struct Reader<'a, 'w> {
    place: Place,
    json: &'a str,
    members: Vec<(Cow<'a, str>, &'a str)>,
    is_record: bool,
    warnings: &'w mut Vec<ResponseWarning>,
}

impl<'a, 'w> Reader<'a, 'w> {
    fn new(json: &'a str, place: Place, warnings: &'w mut Vec<ResponseWarning>) -> Result<Self> {
        let found = members(json).ok_or_else(|| invalid(format!("{place} is not a JSON object")))?;
        let count = found.len();
        let members: Vec<_> = found
            .into_iter()
            .filter_map(|(name, value)| Some((name?, value)))
            .collect();
        if members.len() < count {
            let problem = format!("{place} has a member whose name is not valid Unicode");
            warnings.push(ResponseWarning::absent("", problem));
        }
        for name in contradicted(&members) {
            let problem = format!("{place} has the member {name:?} more than once, with different values");
            warnings.push(ResponseWarning::new("", problem, "of which the last counts"));
        }
        let is_record = members.iter().any(|(name, _)| name == RECORD_EXPIRY);
        Ok(Self {
            place,
            json,
            members,
            is_record,
            warnings,
        })
    }

    fn token(mut self, now: i64) -> Result<ResponseToken> {
        let access_token = self.access_token()?;
        Ok(ResponseToken {
            access_token: Secret::new(access_token),
            refresh_token: self.text(REFRESH_TOKEN).map(Secret::new),
            token_type: self.text(TOKEN_TYPE),
            scope: self.scope(),
            resource_server: self.resource_server(),
            identity_id: self.text(&["identity_id"]),
            expires_at: self.expires_at(now),
            extra: self.extra(),
        })
    }

    /// The last member of the first of these names that has one which is not null, which counts as absent.
    fn take(&mut self, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
        let names = if self.is_record { &names[..1] } else { names };
        names.iter().find_map(|name| {
            let found = self.members.iter().rfind(|(member, _)| member == name)?.1;
            self.members.retain(|(member, _)| member != name);
            (found != "null").then_some((*name, found))
        })
    }

    fn access_token(&mut self) -> Result<String> {
        let is_error = self
            .members
            .iter()
            .any(|(name, value)| name == "error" && *value != "null");
        let is_text = |name: &str| {
            self.members
                .iter()
                .any(|(member, json)| member == name && json.starts_with('"'))
        };
        let mut names = ACCESS_TOKEN.to_vec();
        names.retain(|name| *name == "access_token" || (!is_error && is_text(name)));
        let Some((name, json)) = self.take(&names) else {
            return Err(self.no_access_token());
        };
        match decode_string(json) {
            Some(text) if text.is_empty() => Err(self.no_access_token()),
            Some(text) if !text.contains(char::REPLACEMENT_CHARACTER) => Ok(text.into_owned()),
            _ => Err(invalid(format!(
                "the member `{name}` of {} is not a string of valid Unicode",
                self.place
            ))),
        }
    }

    /// The content of a string member; empty counts as absent.
    fn text(&mut self, names: &[&'static str]) -> Option<String> {
        let (name, json) = self.take(names)?;
        match decode_string(json) {
            Some(text) => Some(text.into_owned()).filter(|text| !text.is_empty()),
            None => self.ignore(name, "is not a string of valid Unicode"),
        }
    }

    fn resource_server(&mut self) -> Option<String> {
        // The empty string is a resource server like any other (K4).
        let is_empty = self.members.iter().rfind(|(name, _)| name == "resource_server");
        let is_empty = is_empty.is_some_and(|(_, json)| *json == "\"\"");
        let name = self.text(&["resource_server"]);
        if is_empty { Some(String::new()) } else { name }
    }

    fn scope(&mut self) -> Option<String> {
        let (name, json) = self.take(SCOPE)?;
        let Some(scopes) = elements(json) else {
            return match decode_string(json) {
                Some(text) => Some(text.into_owned()).filter(|text| !text.is_empty()),
                None => self.ignore(name, "is not a string of valid Unicode"),
            };
        };
        let decoded: Option<Vec<_>> = scopes.into_iter().map(decode_string).collect();
        match decoded {
            Some(scopes) => Some(scopes.join(" ")).filter(|scope| !scope.is_empty()),
            None => self.ignore(name, "is an array of something else than strings"),
        }
    }

    /// The earliest time that the response names.
    fn expires_at(&mut self, now: i64) -> Option<i64> {
        let mut earliest = None;
        if let Some((name, json)) = self.take(EXPIRES_IN) {
            match expiry::relative(json, now) {
                Ok(time) => earliest = Some(time),
                Err(problem) => self.ignore(name, problem).unwrap_or_default(),
            }
        }
        if self.is_record {
            let recorded = self.take(&[RECORD_EXPIRY]).and_then(|(name, json)| {
                let seconds = json.parse().ok();
                seconds.or_else(|| self.ignore(name, "is not an integer of 64 bits"))
            });
            return [earliest, recorded].into_iter().flatten().min();
        }
        let (times, odd) = self.times(now);
        // Others may mean something else by that name, which only matters if nothing is known otherwise.
        if earliest.is_none() && times.is_empty() {
            for (name, problem) in odd {
                self.warn(name, problem);
            }
        }
        times.into_iter().chain(earliest).min()
    }

    /// The times that the members say; those that say none stay where they are.
    fn times(&mut self, now: i64) -> (Vec<i64>, Vec<(&'static str, &'static str)>) {
        let (mut times, mut odd) = (Vec::new(), Vec::new());
        for name in EXPIRES_AT {
            let Some((_, json)) = self.members.iter().rfind(|(member, _)| member == name) else {
                continue;
            };
            match expiry::absolute(name, json, now) {
                _ if *json == "null" => {}
                Ok(time) => {
                    times.extend(time);
                    self.members.retain(|(member, _)| member != name);
                }
                Err(problem) => odd.push((name, problem)),
            }
        }
        (times, odd)
    }

    fn extra(self) -> Extra {
        let mut extra = Extra::new();
        for (name, json) in self.members {
            if name.starts_with(RESERVED_PREFIX) {
                continue;
            }
            if let Err(error) = extra.insert(&*name, json) {
                let problem = format!("in {}, {}", self.place, error.message());
                self.warnings.push(ResponseWarning::absent("", problem));
            }
        }
        extra
    }

    fn warn(&mut self, member: &'static str, problem: &str) {
        let problem = format!("the member `{member}` of {} {problem}", self.place);
        self.warnings.push(ResponseWarning::absent(member, problem));
    }

    fn ignore<T>(&mut self, member: &'static str, problem: &str) -> Option<T> {
        self.warn(member, problem);
        None
    }

    fn no_access_token(&self) -> Error {
        let place = self.place;
        let error = self.members.iter().rfind(|(name, _)| name == "error");
        let Some((_, error)) = error.filter(|(_, json)| *json != "null") else {
            return invalid(match wrapper(self.json) {
                Some(name) => format!(
                    "{place} has no access_token, but one in its member `{name}`; say that the token is there (its path)"
                ),
                None => format!("{place} has no access_token"),
            });
        };
        let code = decode_string(error);
        let known = ERROR_CODES.iter().find(|known| code.as_deref() == Some(**known));
        invalid(match known {
            Some(code) => format!("{place} is an error response ({code}) and has no access_token"),
            None => format!("{place} is an error response and has no access_token"),
        })
    }
}
