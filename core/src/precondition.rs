use crate::Revision;

/// What must hold of the stored record for a write to happen (clause A4).
///
/// It is checked and acted upon in one step: of any number of writers racing with the same precondition, exactly one
/// wins, even if they all write the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing: the write replaces whatever is there.
    Any,
    /// There is no record of that key.
    Absent,
    /// The record is still in this state.
    Unchanged(Revision),
}

impl Precondition {
    /// Whether a record whose revision is `current` (`None`: there is no record) satisfies the precondition.
    pub fn holds(&self, current: Option<Revision>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => current.is_none(),
            Self::Unchanged(expected) => current == Some(*expected),
        }
    }
}
