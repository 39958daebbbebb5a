use std::fmt;

/// A member of a token response that makes no sense, and so counts as absent.
///
/// `Display` names the member, never its value: `the member `expires_in` of the response is negative, so it counts as
/// absent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseWarning {
    member: &'static str,
    problem: String,
    consequence: &'static str,
}

impl ResponseWarning {
    /// A member that counts as absent.
    pub(super) fn absent(member: &'static str, problem: String) -> Self {
        Self {
            member,
            problem,
            consequence: "so it counts as absent",
        }
    }

    pub(super) fn new(member: &'static str, problem: impl Into<String>, consequence: &'static str) -> Self {
        Self {
            member,
            problem: problem.into(),
            consequence,
        }
    }

    /// The name of the member, such as `expires_in`; empty if it is not about one that has a name.
    pub fn member(&self) -> &str {
        self.member
    }

    /// What is wrong, without what it leads to.
    pub(super) fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ResponseWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.problem, self.consequence)
    }
}
