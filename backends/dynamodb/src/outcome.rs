//! What became of a write whose answer was lost, told from the item that is there now (clause A5).

use token_storage_core::WriteMark;

use crate::{
    condition::Expected,
    item::{Item, PREVIOUS},
};

/// The value of [`PREVIOUS`] in an item that was created where there was none.
pub(crate) const CREATED: &str = "none";

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It happened, and may have been replaced since.
    Happened,
    /// It did not happen and never will: the state it expected was replaced by another write.
    Never,
    /// It may have happened, or may still happen.
    Unknown,
}

/// The outcome of a write that put `mark` where it expected `expected`, given what is there now.
pub(crate) fn of_write(mark: &WriteMark, expected: &Expected, now: Option<&Item>) -> Outcome {
    let Some(item) = now else {
        return Outcome::Unknown;
    };
    if item.mark() == Some(*mark) || (item.mark().is_some() && item.previous() == Some(*mark)) {
        return Outcome::Happened;
    }
    if replaced(expected, item) {
        return Outcome::Never;
    }
    Outcome::Unknown
}

/// The outcome of a removal of `expected`, given what is there now. That there is nothing does not tell who removed it.
pub(crate) fn of_removal(expected: &Expected, now: Option<&Item>) -> Outcome {
    match now {
        Some(item) if replaced(expected, item) => Outcome::Never,
        _ => Outcome::Unknown,
    }
}

/// Whether the item was put directly in the place of the expected one. A mark never comes back, so nothing that expects
/// it can happen any more.
fn replaced(expected: &Expected, item: &Item) -> bool {
    expected
        .mark()
        .is_some_and(|mark| item.mark().is_some() && item.previous() == Some(mark))
}

/// Whether the item was created where there was none: what was there before is certainly removed.
pub(crate) fn was_created(item: &Item) -> bool {
    item.mark().is_some() && item.text(PREVIOUS) == Some(CREATED)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{inner::string, item::MARK};

    const OURS: WriteMark = WriteMark::from_bytes([1; 16]);
    const OLD: WriteMark = WriteMark::from_bytes([2; 16]);
    const OTHER: WriteMark = WriteMark::from_bytes([3; 16]);

    fn item(mark: Option<WriteMark>, previous: &str) -> Item {
        let mut attributes = HashMap::from([(PREVIOUS.to_owned(), string(previous))]);
        if let Some(mark) = mark {
            attributes.insert(MARK.to_owned(), string(&mark.to_string()));
        }
        Item::new(attributes)
    }

    #[test]
    fn a5_every_state_that_can_follow_a_lost_answer() {
        let expected = || Expected::Marked(OLD, None);
        let outcome = |now: Option<Item>| of_write(&OURS, &expected(), now.as_ref());
        assert_eq!(outcome(Some(item(Some(OURS), &OLD.to_string()))), Outcome::Happened);
        assert_eq!(outcome(Some(item(Some(OTHER), &OURS.to_string()))), Outcome::Happened);
        assert_eq!(outcome(Some(item(Some(OTHER), &OLD.to_string()))), Outcome::Never);
        assert_eq!(
            outcome(Some(item(Some(OLD), CREATED))),
            Outcome::Unknown,
            "it may still arrive"
        );
        assert_eq!(outcome(Some(item(Some(OTHER), CREATED))), Outcome::Unknown);
        assert_eq!(outcome(None), Outcome::Unknown);
        let foreign = item(None, &OURS.to_string());
        assert_eq!(
            outcome(Some(foreign)),
            Outcome::Unknown,
            "without a mark the rest of ours tells nothing"
        );
    }

    #[test]
    fn a5_an_expected_absence_is_never_known_to_be_replaced() {
        let now = item(Some(OTHER), CREATED);
        assert_eq!(of_write(&OURS, &Expected::Absent, Some(&now)), Outcome::Unknown);
    }

    #[test]
    fn a5_a_removal_that_was_overtaken_is_known() {
        let expected = Expected::Marked(OLD, Some(5));
        assert_eq!(
            of_removal(&expected, Some(&item(Some(OTHER), &OLD.to_string()))),
            Outcome::Never
        );
        assert_eq!(
            of_removal(&expected, Some(&item(Some(OTHER), CREATED))),
            Outcome::Unknown
        );
        assert_eq!(of_removal(&expected, None), Outcome::Unknown);
        assert!(was_created(&item(Some(OTHER), CREATED)));
        assert!(!was_created(&item(None, CREATED)));
    }
}
