//! Whether a concurrent history of one key could have been a sequence (linearizability), by the search of Wing and Gong
//! with the memory of Lowe: any operation that no other one preceded may have been the first.

use std::collections::HashSet;

use token_storage_core::{Precondition, Revision};

/// One finished call, and between which ticks of a common counter it ran.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) call: Call,
}

/// A call and its answer.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Got(Option<Revision>),
    Stored(Precondition, Revision),
    Removed(Precondition, bool),
    /// A store or a remove, and what the conflict said was there.
    Refused(Precondition, Option<Revision>),
}

impl Call {
    /// The state after the call, if it could have had this answer in this state.
    fn apply(&self, state: Option<Revision>) -> Option<Option<Revision>> {
        match self {
            Self::Got(seen) => (*seen == state).then_some(state),
            Self::Stored(precondition, revision) => precondition.holds(state).then_some(Some(*revision)),
            Self::Removed(precondition, there) => {
                (precondition.holds(state) && *there == state.is_some()).then_some(None)
            }
            Self::Refused(precondition, current) => (!precondition.holds(state) && *current == state).then_some(state),
        }
    }
}

/// At most 64 events.
pub(crate) fn is_linearizable(initial: Option<Revision>, events: &[Event]) -> bool {
    assert!(events.len() <= 64, "the set of done events is a word");
    search(events, 0, initial, &mut HashSet::new())
}

fn search(events: &[Event], done: u64, state: Option<Revision>, tried: &mut HashSet<(u64, Option<Revision>)>) -> bool {
    let waiting = || (0..events.len()).filter(|index| done & (1 << index) == 0);
    let Some(earliest_end) = waiting().map(|index| events[index].ended).min() else {
        return true;
    };
    if !tried.insert((done, state)) {
        return false;
    }
    waiting()
        .filter(|index| events[*index].started < earliest_end)
        .any(|index| {
            let next = events[index].call.apply(state);
            next.is_some_and(|next| search(events, done | (1 << index), next, tried))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(number: u8) -> Revision {
        Revision::from_bytes(&[number]).unwrap()
    }

    fn event(started: u64, ended: u64, call: Call) -> Event {
        Event { started, ended, call }
    }

    #[test]
    fn overlapping_calls_may_have_happened_in_either_order() {
        let store = event(1, 4, Call::Stored(Precondition::Any, revision(1)));
        for seen in [None, Some(revision(1))] {
            assert!(is_linearizable(None, &[store.clone(), event(2, 3, Call::Got(seen))]));
        }
    }

    #[test]
    fn a_stale_read_is_found() {
        let store = event(1, 2, Call::Stored(Precondition::Any, revision(1)));
        assert!(!is_linearizable(None, &[store.clone(), event(3, 4, Call::Got(None))]));
        assert!(is_linearizable(
            None,
            &[store, event(3, 4, Call::Got(Some(revision(1))))]
        ));
    }

    #[test]
    fn two_winners_are_found() {
        let swap = |number| event(1, 9, Call::Stored(Precondition::Absent, revision(number)));
        assert!(!is_linearizable(None, &[swap(1), swap(2)]));
        let refused = event(1, 9, Call::Refused(Precondition::Absent, Some(revision(1))));
        assert!(is_linearizable(None, &[swap(1), refused]));
    }

    #[test]
    fn a_record_that_goes_back_is_found() {
        let events = [
            event(1, 2, Call::Stored(Precondition::Any, revision(1))),
            event(3, 8, Call::Stored(Precondition::Any, revision(2))),
            event(4, 5, Call::Got(Some(revision(2)))),
            event(6, 7, Call::Got(Some(revision(1)))),
        ];
        assert!(!is_linearizable(None, &events));
        assert!(is_linearizable(None, &events[..3]));
    }

    #[test]
    fn a_wrong_remove_is_found() {
        let store = event(1, 2, Call::Stored(Precondition::Any, revision(1)));
        assert!(!is_linearizable(
            None,
            &[store.clone(), event(3, 4, Call::Removed(Precondition::Any, false))]
        ));
        assert!(is_linearizable(
            None,
            &[store, event(3, 4, Call::Removed(Precondition::Any, true))]
        ));
    }

    #[test]
    fn a_conflict_that_names_another_revision_is_found() {
        let events = [
            event(1, 2, Call::Stored(Precondition::Any, revision(1))),
            event(3, 4, Call::Refused(Precondition::Absent, Some(revision(2)))),
        ];
        assert!(!is_linearizable(None, &events));
    }
}
