use serde::Deserialize;
use token_storage_core::Secret;

use super::Environment;
use crate::oauth::{LoginError, LoginErrorKind, OAuthClient};

/// A group that the person is in, or has to do with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// A UUID.
    pub id: String,
    /// Any text.
    pub name: String,
    /// `regular` or `plus`.
    pub group_type: String,
    /// Whether members must have logged in lately to see it.
    pub enforce_session: bool,
    /// The roles of the person's identities in it, sorted, each once: `admin`, `manager`, `member`.
    pub roles: Vec<String>,
}

const UNREADABLE: &str = "gives an answer that cannot be read; check its address, or try again later";

#[derive(Deserialize)]
struct Found {
    id: String,
    name: String,
    group_type: String,
    #[serde(default)]
    enforce_session: Option<bool>,
    #[serde(default)]
    my_memberships: Option<Vec<Membership>>,
}

#[derive(Deserialize)]
struct Membership {
    role: String,
}

impl Environment {
    /// The groups of the person whose access token this is, in the server's order. The token is one of
    /// [`GROUPS_RESOURCE_SERVER`](super::scopes::GROUPS_RESOURCE_SERVER) with the scope
    /// [`VIEW_MY_GROUPS`](super::scopes::VIEW_MY_GROUPS).
    ///
    /// # Errors
    /// - Those of [`OAuthClient::get_resource`] and [`Group::parse_list`].
    pub async fn my_groups(&self, client: &OAuthClient, token: &Secret) -> Result<Vec<Group>, LoginError> {
        Group::parse_list(&client.get_resource(&self.my_groups_url(), token).await?)
    }

    /// Where [`my_groups`](Self::my_groups) asks, for programs that send the request by other means.
    pub fn my_groups_url(&self) -> String {
        format!("{}/v2/groups/my_groups", self.groups_url())
    }
}

impl Group {
    /// Reads what Globus Groups answered.
    ///
    /// # Errors
    /// - [`LoginErrorKind::Answer`] if it is something else than an array of groups. The message quotes nothing.
    pub fn parse_list(json: &[u8]) -> Result<Vec<Self>, LoginError> {
        let found: Vec<Found> = serde_json::from_slice(json)
            .map_err(|_| LoginError::about("Globus Groups", LoginErrorKind::Answer, UNREADABLE))?;
        Ok(found.into_iter().map(Self::from).collect())
    }
}

impl From<Found> for Group {
    fn from(found: Found) -> Self {
        let memberships = found.my_memberships.unwrap_or_default();
        let mut roles: Vec<String> = memberships.into_iter().map(|membership| membership.role).collect();
        roles.sort_unstable();
        roles.dedup();
        Self {
            id: found.id,
            name: found.name,
            group_type: found.group_type,
            enforce_session: found.enforce_session.unwrap_or(false),
            roles,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_sorted_and_told_once() {
        let json = br#"[{"id":"1","name":"n","group_type":"plus","enforce_session":true,"policies":{"x":1},
            "my_memberships":[{"role":"member","status":"active"},{"role":"admin"},{"role":"member"}]},
            {"id":"2","name":"","group_type":"regular","enforce_session":null}]"#;
        let groups = Group::parse_list(json).unwrap();
        assert_eq!(groups[0].roles, ["admin", "member"]);
        assert!(groups[0].enforce_session && !groups[1].enforce_session);
        assert!(groups[1].roles.is_empty());
    }

    #[test]
    fn another_answer_is_an_error_that_quotes_nothing() {
        for json in ["", "{}", "[1]", r#"[{"id":"canary"}]"#] {
            let error = Group::parse_list(json.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), LoginErrorKind::Answer);
            assert!(!format!("{error:?}{error}").contains("canary"));
        }
    }
}
