use std::{collections::BTreeSet, fmt, time::Duration};

/// What a refresher declares that it can do. What it does not declare is not asked of it, and counts as unproven.
///
/// ```
/// use token_storage_auth_testing::refreshing::{Abilities, Ability};
///
/// let of_a_server_that_cannot_revoke = Abilities::default().without(Ability::Revokes).with(Ability::ShortLifetimes);
/// assert!(!of_a_server_that_cannot_revoke.has(Ability::Revokes));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    can: BTreeSet<Ability>,
    patience: Duration,
}

/// Something that not every refresher can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// It revokes tokens that nobody may have (L8, L10). Declared by default; one whose server has no revocation endpoint
    /// leaves it out.
    Revokes,
    /// One expiry costs one request for tokens too whose whole life is shorter than the skew (L5). Not declared by
    /// default.
    ShortLifetimes,
    /// A refresh token that was refused is not sent again by the same process (L7). Not declared by default.
    RemembersRefusals,
    /// A refusal, and a pause that the server asks for, are kept by all processes that share the storage, until the
    /// record changes (L7). Not declared by default.
    SharesFailures,
    /// A server that falls silent is given up after a time, a minute unless [`Abilities::giving_up_within`] says another:
    /// the call ends, and the lease is free (L7). Not declared by default.
    GivesUp,
}

impl Default for Abilities {
    fn default() -> Self {
        Self::of([Ability::Revokes])
    }
}

impl Abilities {
    /// All there are.
    pub fn all() -> Self {
        Self::of([
            Ability::Revokes,
            Ability::ShortLifetimes,
            Ability::RemembersRefusals,
            Ability::SharesFailures,
            Ability::GivesUp,
        ])
    }

    fn of<const N: usize>(can: [Ability; N]) -> Self {
        Self {
            can: can.into(),
            patience: Duration::from_secs(60),
        }
    }

    /// Declares one more.
    pub fn with(mut self, ability: Ability) -> Self {
        self.can.insert(ability);
        self
    }

    /// Declares [`Ability::GivesUp`], and how long a call lasts at most if the server is silent. As long again is allowed
    /// for, as the machine may be busy; the shorter, the sooner the case is over. It has to be longer than
    /// [`slowest_answer`](super::slowest_answer).
    pub fn giving_up_within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self.with(Ability::GivesUp)
    }

    /// What [`giving_up_within`](Self::giving_up_within) has said.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Declares one less.
    pub fn without(mut self, ability: Ability) -> Self {
        self.can.remove(&ability);
        self
    }

    /// Whether it is declared.
    pub fn has(&self, ability: Ability) -> bool {
        self.can.contains(&ability)
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revokes => "the refresher does not declare that it revokes tokens",
            Self::ShortLifetimes => "the refresher does not declare that it can do with lifetimes below the skew",
            Self::RemembersRefusals => "the refresher does not declare that it remembers refusals",
            Self::SharesFailures => "the refresher does not declare that all processes keep refusals and pauses",
            Self::GivesUp => "the refresher does not declare that it gives a silent server up",
        })
    }
}
