//! What an answer means that has no token in it: which codes and texts it has, and what they say.

mod table;
mod words;

use super::Advice;

use self::{
    table::{Row, Says, TABLE},
    words::{Words, words},
};

/// What a server's words mean for whoever holds the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The token, or the code, is expired, revoked, spent or unknown: log in again.
    TokenDead,
    /// Somebody has to be asked something: log in again.
    NeedsPerson,
    /// The token or the request, the server does not say which: log in again, and if that does not help, look at the
    /// client.
    Either,
    /// The client, its secret or its request: the token may be fine.
    Client,
    /// It may work later.
    Later,
    /// The server does not do this at all.
    Unsupported,
}

impl Meaning {
    /// After the server's name: what it does. `said` is the server's own word for it.
    pub(super) fn told(self, said: &str) -> String {
        match self {
            Self::TokenDead => format!("refuses the token ({said})"),
            Self::NeedsPerson => format!("wants the person to log in anew ({said})"),
            Self::Either => format!("refuses the token or the request ({said})"),
            Self::Client => format!("rejects this client or its request ({said})"),
            Self::Later => format!("cannot answer now ({said})"),
            Self::Unsupported => format!("does not do this ({said})"),
        }
    }

    pub(super) fn advice(self) -> Option<Advice> {
        match self {
            Self::TokenDead | Self::NeedsPerson => Some(Advice::LogInAgain),
            Self::Either => Some(Advice::LogInAgainOrCheckClient),
            Self::Client => Some(Advice::CheckClient),
            Self::Later => Some(Advice::TryAgainLater),
            Self::Unsupported => None,
        }
    }
}

/// A body that says no, or says nothing that is known.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) meaning: Option<Meaning>,
    /// The server's code, if it looks like one.
    pub(super) code: Option<String>,
    /// Whether the code is one of the table, and so repeats nothing that was sent.
    pub(super) is_known: bool,
    pub(super) description: Option<String>,
    pub(super) uri: Option<String>,
}

/// What a body says; `None` if it says no error at all.
pub(super) fn read(body: &[u8]) -> Option<Refusal> {
    let Words {
        codes,
        texts,
        description,
        uri,
        refuses,
    } = words(body)?;
    let known = codes.iter().find_map(|code| Some((meaning_of_code(code)?, code)));
    let told = texts.iter().find_map(|text| meaning_of_text(text));
    let meaning = match (known.map(|(meaning, _)| meaning), told) {
        // Generic codes, which some servers use for everything.
        (Some(Meaning::Either | Meaning::Client) | None, Some(text)) => Some(text),
        (code, _) => code,
    };
    if meaning.is_none() && !refuses {
        return None;
    }
    Some(Refusal {
        meaning,
        code: known.map(|(_, code)| code).or(codes.first()).cloned(),
        is_known: known.is_some(),
        description,
        uri,
    })
}

fn meaning_of_code(code: &str) -> Option<Meaning> {
    let fits = |row: &&Row| matches!(row.says, Says::Code(known) if known.eq_ignore_ascii_case(code));
    TABLE.iter().find(fits).map(|row| row.meaning)
}

fn meaning_of_text(text: &str) -> Option<Meaning> {
    let text = text.to_ascii_lowercase();
    let fits = |row: &&Row| matches!(row.says, Says::Text(known) if text.contains(known));
    TABLE.iter().find(fits).map(|row| row.meaning)
}

#[cfg(test)]
mod tests {
    use super::{table::Source, *};

    fn meaning(body: &str) -> Option<Meaning> {
        read(body.as_bytes()).and_then(|refusal| refusal.meaning)
    }

    #[test]
    fn every_row_is_reached_and_has_a_source() {
        for row in TABLE {
            let (Source::Standard(source)
            | Source::Report(source)
            | Source::Read(source)
            | Source::Quoted(source)
            | Source::Documentation(source)) = row.source;
            assert!(!source.is_empty());
            let (found, says) = match row.says {
                Says::Code(code) => (meaning_of_code(code), code),
                Says::Text(text) => (meaning_of_text(&format!("Oh: {text}.")), text),
            };
            assert_eq!(says, says.to_ascii_lowercase(), "compared in lower case");
            assert_eq!(found, Some(row.meaning), "another row hides {row:?}");
        }
    }

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/refusals.md");
    const SWITCH: &str = "TOKEN_STORAGE_WRITE_REFUSALS";
    const HEAD: &str = "\
# What servers say instead of a token

RFC 6749 names six error codes; servers have many more, and some have none. This is what the library knows, and what each
spelling is taken for; `EndpointError::from_answer` goes by it. The page is made from the table in the source,
`src/manager/refusal/table.rs`, by its tests: `TOKEN_STORAGE_WRITE_REFUSALS=1 cargo test --workspace --all-features --lib
refusal`. The first row that fits counts, codes before texts, and case does not matter.

A *code* is the whole value of a member for codes (`error`, `code`, `errorType`, ...); a number has its member's name before
it. A *text* is part of a member for people (`message`, `error_description`, ...).

How far a source can be checked:

- *standard*: the section of a public standard.
- *report*: a public thread or program that shows the answer itself, `owner/repository#number`.
- *documentation, read*: the title of a provider's page or file in which the spelling was read in November 2026.
- *documentation, quoted*: the title of a provider's page, which itself could not be had on 28 November 2026; several public
  programs that have nothing to do with one another quote the spelling as this provider's, in tests or comments.
- *documentation, not re-read*: the title of a provider's page, which could not be found again then, nor
  quoted by anybody with this spelling in it; take the row for a good guess.

An unknown spelling costs no login: it is asked again later, and only after five in a row a new login is needed.

| says | as | taken for | source | kind of source |
|---|---|---|---|---|
";

    /// The page is what the table says, or is made so.
    #[test]
    fn the_page_has_every_row() {
        use std::fmt::Write as _;

        let mut page = HEAD.to_owned();
        for row in TABLE {
            let (kind, says) = match row.says {
                Says::Code(code) => ("code", code),
                Says::Text(text) => ("text", text),
            };
            let meaning = match row.meaning {
                Meaning::TokenDead => "the token or code is dead",
                Meaning::NeedsPerson => "a person is needed",
                Meaning::Either => "the token or the request",
                Meaning::Client => "the client or its request",
                Meaning::Later => "later it may work",
                Meaning::Unsupported => "not supported",
            };
            let (source, checked) = match row.source {
                Source::Standard(source) => (source, "standard"),
                Source::Report(source) => (source, "report"),
                Source::Read(source) => (source, "documentation, read"),
                Source::Quoted(source) => (source, "documentation, quoted"),
                Source::Documentation(source) => (source, "documentation, not re-read"),
            };
            let _ = writeln!(page, "| `{says}` | {kind} | {meaning} | {source} | {checked} |");
        }
        if std::env::var_os(SWITCH).is_some() {
            std::fs::write(PAGE, page).unwrap();
            return;
        }
        let written = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(
            page == written,
            "docs/refusals.md is not up to date; {SWITCH}=1 writes it"
        );
    }

    #[test]
    fn what_servers_really_send_is_understood() {
        use Meaning::{Client, Either, Later, NeedsPerson, TokenDead};
        for (body, wanted) in [
            (r#"{"error":"invalid_grant"}"#, TokenDead),
            (r#"{"error":"invalid_request"}"#, Either),
            (
                r#"{"error":"interaction_required","suberror":"basic_action"}"#,
                NeedsPerson,
            ),
            (r#"{"status":400,"message":"Invalid refresh token"}"#, TokenDead),
            (r#"{"status":403,"message":"invalid client secret"}"#, Client),
            (
                r#"{"errors":[{"errorType":"invalid_grant","message":"m"}],"success":false}"#,
                TokenDead,
            ),
            (
                r#"{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}"#,
                TokenDead,
            ),
            (
                r#"{"message":"Bad Request","errors":[{"resource":"Application","field":"client_id","code":"invalid"}]}"#,
                Client,
            ),
            (r#"{"ok":false,"error":"invalid_refresh_token"}"#, TokenDead),
            (
                r#"{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}"#,
                TokenDead,
            ),
            (
                r#"{"status":503,"body":{},"error":"Invalid Params: invalid refresh_token"}"#,
                TokenDead,
            ),
            (r#"{"status":601,"error":"Too Many Requests"}"#, Later),
            (
                r#"{"code":400,"error_code":"refresh_token_not_found","msg":"m"}"#,
                TokenDead,
            ),
            (
                r#"{"error":{"code":400,"message":"TOKEN_EXPIRED","status":"INVALID_ARGUMENT"}}"#,
                TokenDead,
            ),
            (
                r#"{"__type":"NotAuthorizedException","message":"Refresh Token has been revoked"}"#,
                TokenDead,
            ),
            (
                r#"{"error":{"code":"refresh_token_reused","message":"m","type":"t"}}"#,
                TokenDead,
            ),
            (
                r#"{"error":{"message":"m","type":"OAuthException","code":190}}"#,
                TokenDead,
            ),
            (r#"{"errcode":40030,"errmsg":"invalid refresh_token"}"#, TokenDead),
            (
                r#"{"error":"invalid_request","error_description":"Value passed for the token was invalid."}"#,
                TokenDead,
            ),
            (
                r#"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#,
                TokenDead,
            ),
            (r#"{"reason":"Invalid Token!","error":"invalid_request"}"#, TokenDead),
            (r#"[{"errorCode":"INVALID_SESSION_ID","message":"m"}]"#, TokenDead),
            (
                r#"{"error_summary":"expired_access_token/..","error":{".tag":"expired_access_token"}}"#,
                TokenDead,
            ),
            (
                r#"{"error":"ExpiredToken","message":"Token has been revoked"}"#,
                TokenDead,
            ),
            ("error=bad_refresh_token&error_description=x&error_uri=y", TokenDead),
        ] {
            assert_eq!(meaning(body), Some(wanted), "{body}");
        }
    }

    #[test]
    fn an_error_that_nobody_knows_is_one_nevertheless() {
        for body in [
            r#"{"error":"whatever"}"#,
            r#"{"error":{"oh":"no"}}"#,
            r#"{"ok":false}"#,
            r#"{"success":false,"message":"m"}"#,
            r#"{"errors":[{"x":1}]}"#,
            r#"{"status":503}"#,
            r#"{"status":"error"}"#,
            r#"{"errcode":1}"#,
            "error=whatever",
        ] {
            let refusal = read(body.as_bytes()).expect(body);
            assert_eq!(refusal.meaning, None, "{body}");
        }
        for body in [
            "",
            "<html>error=1</html>",
            "{",
            "[]",
            "7",
            r#"{"status":0,"body":{}}"#,
            r#"{"error":null,"ok":true}"#,
            r#"{"error":""}"#,
            r#"{"success":true}"#,
            r#"{"errcode":0}"#,
        ] {
            assert!(read(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn what_looks_like_no_code_is_none() {
        for body in [
            r#"{"error":"canary{}canary"}"#,
            r#"{"error":"0123456789012345678901234567890123456789x"}"#,
        ] {
            assert_eq!(read(body.as_bytes()).expect(body).code, None, "{body}");
        }
    }
}
