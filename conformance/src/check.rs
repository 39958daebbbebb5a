//! How cases say what they expected and what they got.

use token_storage_core::{Error, ErrorKind, Result, StoredToken, TokenData, TokenKey};

pub(crate) use crate::show::Show;
use crate::{history::short, show::bounded};

/// The result of a case.
pub(crate) type Check<T = ()> = std::result::Result<T, Stop>;

/// Why a case ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(Failure),
    /// A call failed that should have succeeded.
    Storage(Error),
    Ignored(String),
    /// The machine kept the case waiting until a lease ran out that was to be held.
    Stalled,
}

/// An expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// The clause of the contract.
    pub clause: String,
    /// What was expected of what.
    pub expectation: String,
    /// What the storage did.
    pub got: String,
    /// What it should have done.
    pub want: String,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

pub(crate) fn fail<T>(clause: &str, expectation: &str, got: impl Into<String>, want: impl Into<String>) -> Check<T> {
    Err(Stop::Failed(Failure {
        clause: clause.to_owned(),
        expectation: expectation.to_owned(),
        got: bounded(got.into()),
        want: bounded(want.into()),
    }))
}

pub(crate) fn ignore<T>(reason: impl Into<String>) -> Check<T> {
    Err(Stop::Ignored(reason.into()))
}

/// The two are equal.
pub(crate) fn same<T: PartialEq + Show>(clause: &str, expectation: &str, got: &T, want: &T) -> Check {
    if got == want {
        return Ok(());
    }
    let (got, want) = got.apart(want);
    fail(clause, expectation, got, want)
}

/// The condition holds.
pub(crate) fn holds(clause: &str, expectation: &str, condition: bool) -> Check {
    if condition {
        return Ok(());
    }
    fail(clause, expectation, "it does not hold", "it holds")
}

/// The call failed, with this kind of error.
pub(crate) fn refused<T>(clause: &str, expectation: &str, got: Result<T>, want: ErrorKind) -> Check<Error> {
    match got {
        Err(error) if error.kind() == want => Ok(error),
        Err(error) => fail(
            clause,
            expectation,
            format!("{:?}: {error}", error.kind()),
            format!("{want:?}"),
        ),
        Ok(_) => fail(clause, expectation, "Ok", format!("an error of kind {want:?}")),
    }
}

/// There is a record, with this content.
pub(crate) fn stored(clause: &str, got: &Option<StoredToken>, want: &TokenData) -> Check {
    match got {
        Some(got) => same(clause, "the record is as it was stored", &got.data, want),
        None => fail(clause, "the record is as it was stored", "no record", want.show()),
    }
}

pub(crate) fn absent(clause: &str, expectation: &str, got: &Option<StoredToken>) -> Check {
    match got {
        None => Ok(()),
        Some(got) => fail(clause, expectation, got.data.show(), "no record"),
    }
}

/// What is there of records that are written in batches only is of one batch.
pub(crate) fn of_one_batch(clause: &str, expectation: &str, keys: &[TokenKey], there: &[Option<TokenData>]) -> Check {
    if there.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    fail(clause, expectation, by_batch(keys, there), "all of one batch")
}

/// Which records are of which batch: `access-1 under "a", "c"; access-2 under "b"`.
fn by_batch(keys: &[TokenKey], there: &[Option<TokenData>]) -> String {
    let mut batches: Vec<(&str, Vec<String>)> = Vec::new();
    for (key, data) in keys.iter().zip(there) {
        let batch = data.as_ref().map_or("nothing", |data| data.access_token.expose());
        let name = short(key.resource_server());
        match batches.iter_mut().find(|(known, _)| *known == batch) {
            Some((_, names)) => names.push(name),
            None => batches.push((batch, vec![name])),
        }
    }
    let shown = batches
        .iter()
        .map(|(batch, names)| format!("{batch} under {}", names.join(", ")));
    shown.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_batch_is_told_by_its_records() {
        let keys = ["a", "b", "c", "d"].map(TokenKey::in_default);
        let of = |tag| Some(crate::data::full(tag));
        let Err(Stop::Failed(failure)) = of_one_batch("A2", "a batch", &keys, &[of("1"), of("2"), of("1"), None])
        else {
            panic!("they are of two batches")
        };
        let want = r#"access-1 under "a", "c"; access-2 under "b"; nothing under "d""#;
        assert_eq!(failure.got, want);
        assert!(of_one_batch("A2", "a batch", &keys, &[of("1"), of("1"), of("1"), of("1")]).is_ok());
    }
}
