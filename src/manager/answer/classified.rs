//! What an answer without tokens means.

use std::time::{Duration, SystemTime};

use super::{EndpointError, EndpointErrorKind, Problem};
use crate::manager::{
    quote,
    refusal::{self, Meaning},
};

impl EndpointError {
    /// Classifies an answer that is no token response: its status, its header `Retry-After` if it has one, its body.
    ///
    /// | answer | kind | may have been done |
    /// |---|---|---|
    /// | 408, 5xx | transient | yes |
    /// | 429 | transient | no |
    /// | says that the token or code is of no use (`invalid_grant`, or one of the many other spellings) | refused | no |
    /// | says that the person is needed (`interaction_required`, `consent_required`, ...) | refused | no |
    /// | `invalid_request`, which many servers say of tokens, with another status than 401 | refused | no |
    /// | says that the client or its request is wrong (`invalid_client`, `invalid_scope`, ...); 401 without a word | client rejected | no |
    /// | says that it may work later (`temporarily_unavailable`, `slow_down`, ...) | transient | no |
    /// | `unsupported_token_type` | unsupported | no |
    /// | says an error that nobody knows | unrecognized | no |
    /// | 4xx that says nothing which can be read | transient | no |
    /// | a redirect, which is not followed | transient | yes |
    /// | everything else, such as a 200 without tokens | transient | yes |
    ///
    /// The status of an answer with a known error does not matter otherwise: some servers say 200. The spellings that are
    /// known, and where they come from, are one table in the source, `manager/refusal/table.rs`.
    pub fn from_answer(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        Self::of_answer(status, retry_after, body, None)
    }

    /// As [`from_answer`](Self::from_answer), for whoever knows what was sent: no explanation that repeats part of it is
    /// kept.
    pub(crate) fn of_answer(status: u16, retry_after: Option<&str>, body: &[u8], sent: Option<&[&str]>) -> Self {
        let refusal = refusal::read(body);
        let meaning = refusal.as_ref().and_then(|refusal| refusal.meaning);
        let mut error = Self::of(status, refusal.is_some(), meaning);
        error.0.status = Some(status);
        if let Some(refusal) = refusal {
            // A server may repeat the token in this place, too, where nobody looks for it.
            let fit_to_show = |code: &&String| {
                refusal.is_known || quote::explanation(code, sent.unwrap_or_default()).as_ref() == Some(*code)
            };
            let code = refusal.code.as_ref().filter(fit_to_show);
            error = error.with_code(code.map_or("", String::as_str));
            // Whoever refuses a token likes to repeat it.
            let safe = |text: String| match sent {
                Some(sent) => quote::explanation(&text, sent),
                None if matches!(meaning, Some(Meaning::TokenDead) | None) => None,
                None => quote::explanation(&text, &[]),
            };
            // What comes without a code that looks like one is not trusted with more.
            if error.0.code.is_some() {
                error.0.description = refusal.description.and_then(safe).map(Into::into);
                let uri = refusal.uri.filter(|uri| quote::is_page(uri));
                error.0.uri = uri.and_then(safe).map(Into::into);
            }
        }
        error.with_retry_after(retry_after.and_then(|text| pause(text, SystemTime::now())))
    }

    fn of(status: u16, is_refusal: bool, meaning: Option<Meaning>) -> Self {
        use EndpointErrorKind::{ClientRejected, Refused, Transient, Unrecognized, Unsupported};
        let transient = |problem| Self::new(Transient, problem);
        let unknown = |mut error: Self| {
            error.0.may_have_been_done = true;
            error
        };
        let means = |kind, meaning| Self::new(kind, Problem::Means(meaning));
        match (status, meaning) {
            (429, _) => transient(Problem::Overloaded),
            (408 | 500.., _) => unknown(transient(Problem::Failed)),
            (401, Some(Meaning::Either)) => means(ClientRejected, Meaning::Client),
            (_, Some(Meaning::Client)) => means(ClientRejected, Meaning::Client),
            (_, Some(Meaning::Later)) => means(Transient, Meaning::Later),
            (_, Some(Meaning::Unsupported)) => means(Unsupported, Meaning::Unsupported),
            (_, Some(meaning)) => means(Refused, meaning),
            (_, None) if is_refusal => Self::new(Unrecognized, Problem::Unrecognized),
            (401, None) => means(ClientRejected, Meaning::Client),
            (301 | 302 | 303 | 307 | 308, None) => unknown(transient(Problem::Redirects(None))),
            (400..500, None) => transient(Problem::Unreadable),
            (_, None) => unknown(transient(Problem::Unreadable)),
        }
    }
}

/// What a header `Retry-After` says: seconds, or a date (RFC 9110 section 10.2.3). A date that is past means no pause.
fn pause(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More seconds than fit are many.
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{super::MAX_RETRY_AFTER, *};

    #[test]
    fn l7_answers_are_classified() {
        use EndpointErrorKind::{ClientRejected, Refused, Transient, Unrecognized, Unsupported};
        for (status, body, kind, done) in [
            (400, r#"{"error":"invalid_grant"}"#, Refused, false),
            (401, r#"{"error":"invalid_grant"}"#, Refused, false),
            (200, r#"{"error":"bad_refresh_token"}"#, Refused, false),
            (400, r#"{"error":"invalid_client"}"#, ClientRejected, false),
            (401, "", ClientRejected, false),
            (400, r#"{"error":"temporarily_unavailable"}"#, Transient, false),
            (400, r#"{"error":"invalid_request"}"#, Refused, false),
            (401, r#"{"error":"invalid_request"}"#, ClientRejected, false),
            (400, r#"{"error":"interaction_required"}"#, Refused, false),
            (400, r#"{"error":"unsupported_token_type"}"#, Unsupported, false),
            (200, r#"{"ok":false,"error":"invalid_refresh_token"}"#, Refused, false),
            (
                400,
                r#"{"status":400,"message":"Invalid refresh token"}"#,
                Refused,
                false,
            ),
            (200, r#"{"ok":false,"error":"what"}"#, Unrecognized, false),
            (401, r#"{"message":"what","success":false}"#, Unrecognized, false),
            (404, "<html>", Transient, false),
            (200, "{}", Transient, true),
            (503, r#"{"error":"invalid_grant"}"#, Transient, true),
            (408, "", Transient, true),
            (429, r#"{"error":"invalid_grant"}"#, Transient, false),
            (502, "<html>", Transient, true),
            (200, "<html>", Transient, true),
            (400, "<html>", Transient, false),
            (302, "", Transient, true),
            (400, r#"{"error":{"code":1}}"#, Unrecognized, false),
        ] {
            let error = EndpointError::from_answer(status, None, body.as_bytes());
            assert_eq!(
                (error.kind(), error.may_have_been_done()),
                (kind, done),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn s1_a_code_that_repeats_the_token_is_not_told() {
        let told = |body: &str, sent| {
            let error = EndpointError::of_answer(400, None, body.as_bytes(), sent);
            (error.code().map(str::to_owned), format!("{error} {error:?}"))
        };
        let sent = Some(&["old-rt", "invalid_grant", "1AbCdEfGh2"][..]);
        for body in [
            r#"{"error":"old-rt"}"#,
            r#"{"error":"unknown token 1AbCdEfGh2"}"#,
            r#"{"ok":false,"error":"xx AbCdEfGh x"}"#,
            r#"{"error":"old-rt","error_description":"expired"}"#,
            r#"{"errors":[{"errorType":"old-rt"}],"success":false}"#,
        ] {
            let (code, told) = told(body, sent);
            assert_eq!(code, None, "{body}");
            assert!(!told.contains("old-rt") && !told.contains("AbCdEfGh"), "{told}");
        }
        // Our own spelling of it, whatever was sent.
        assert_eq!(
            told(r#"{"error":"invalid_grant"}"#, sent).0.as_deref(),
            Some("invalid_grant")
        );
        assert_eq!(
            told(r#"{"error":"computer_says_no"}"#, sent).0.as_deref(),
            Some("computer_says_no")
        );
        assert_eq!(
            told(r#"{"error":"AADSTS70008"}"#, None).0.as_deref(),
            Some("AADSTS70008")
        );
        assert_eq!(
            told(r#"{"error":"8xLOxBtZp8mcanary"}"#, None).0,
            None,
            "what may be one, of nobody knows what"
        );
    }

    #[test]
    fn retry_after_is_bounded() {
        let after = |text| EndpointError::from_answer(503, Some(text), b"").retry_after();
        assert_eq!(after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for huge in ["99999999", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            assert_eq!(after(huge), Some(MAX_RETRY_AFTER), "{huge}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("1994-11-06T08:50:37Z", None),
            ("Sun, 06 Nov 1994 08:50:37 CET", None),
            ("Sun, 32 Nov 1994 25:50:37 GMT", None),
            ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn s1_bodies_and_odd_codes_are_not_quoted() {
        let error =
            EndpointError::from_answer(400, None, br#"{"error":"canary{}canary","error_description":"canary"}"#);
        assert!(!format!("{error:?} {error}").contains("canary"));
    }

    #[test]
    fn s1_an_explanation_that_could_repeat_a_token_is_not_kept() {
        let body = br#"{"error":"invalid_grant","error_description":"Refresh token abc-token is bad"}"#;
        assert_eq!(EndpointError::from_answer(400, None, body).description(), None);
        let knowing = |sent: &[&str]| EndpointError::of_answer(400, None, body, Some(sent));
        assert_eq!(knowing(&["abc-token"]).description(), None);
        assert_eq!(
            knowing(&["another-token"]).description(),
            Some("Refresh token abc-token is bad")
        );
    }
}
