use std::{collections::BTreeSet, fmt};

/// What a refresher declares that it can do. What it does not declare is not asked of it, and counts as unproven.
///
/// ```
/// use token_storage_auth_testing::refreshing::{Abilities, Ability};
///
/// let of_a_server_that_cannot_revoke = Abilities::default().without(Ability::Revokes).with(Ability::ShortLifetimes);
/// assert!(!of_a_server_that_cannot_revoke.has(Ability::Revokes));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities(BTreeSet<Ability>);

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
}

impl Default for Abilities {
    fn default() -> Self {
        Self([Ability::Revokes].into())
    }
}

impl Abilities {
    /// All there are.
    pub fn all() -> Self {
        let all = [
            Ability::Revokes,
            Ability::ShortLifetimes,
            Ability::RemembersRefusals,
            Ability::SharesFailures,
        ];
        Self(all.into())
    }

    /// Declares one more.
    pub fn with(mut self, ability: Ability) -> Self {
        self.0.insert(ability);
        self
    }

    /// Declares one less.
    pub fn without(mut self, ability: Ability) -> Self {
        self.0.remove(&ability);
        self
    }

    /// Whether it is declared.
    pub fn has(&self, ability: Ability) -> bool {
        self.0.contains(&ability)
    }
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revokes => "the refresher does not declare that it revokes tokens",
            Self::ShortLifetimes => "the refresher does not declare that it can do with lifetimes below the skew",
            Self::RemembersRefusals => "the refresher does not declare that it remembers refusals",
            Self::SharesFailures => "the refresher does not declare that all processes keep refusals and pauses",
        })
    }
}
