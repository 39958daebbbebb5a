//! What Globus Auth and Globus Groups can be asked for, and whose tokens these are.

use token_storage_core::TokenData;

/// Whether a record that does not name its server is one of Globus's: its resource server is a service of Globus, or one
/// of its scopes is. Those of collections, flows and other services whose resource server is a UUID have such scopes.
pub fn is_globus(data: &TokenData) -> bool {
    let is_service = |name: &str| DOMAINS.iter().any(|domain| name.ends_with(domain));
    let is_scope = |scope: &str| SCOPES.iter().any(|prefix| scope.starts_with(prefix));
    is_service(&data.resource_server) || data.scope.split_ascii_whitespace().any(is_scope)
}

/// Those of the services, in every environment.
const DOMAINS: [&str; 2] = [".globus.org", ".globuscs.info"];
/// How scopes of Globus begin that are not OpenID's.
const SCOPES: [&str; 2] = ["urn:globus:auth:scope:", "https://auth.globus.org/scopes/"];

/// The resource server of Globus Auth.
pub const AUTH_RESOURCE_SERVER: &str = "auth.globus.org";
/// Who logged in: gives an id_token, from which the `identity_id` of all tokens comes.
pub const OPENID: &str = "openid";
/// Name, organisation and the like in the id_token and in userinfo.
pub const PROFILE: &str = "profile";
/// The e-mail address in the id_token and in userinfo.
pub const EMAIL: &str = "email";
/// Names and organisations of identities.
pub const VIEW_IDENTITIES: &str = "urn:globus:auth:scope:auth.globus.org:view_identities";
/// The identities that are linked to the one that logged in.
pub const VIEW_IDENTITY_SET: &str = "urn:globus:auth:scope:auth.globus.org:view_identity_set";

/// The resource server of Globus Groups.
pub const GROUPS_RESOURCE_SERVER: &str = "groups.api.globus.org";
/// The groups of the person who logged in, and their roles there.
pub const VIEW_MY_GROUPS: &str = "urn:globus:auth:scope:groups.api.globus.org:view_my_groups_and_memberships";
/// Seeing and managing groups.
pub const ALL_GROUPS: &str = "urn:globus:auth:scope:groups.api.globus.org:all";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_globus_are_told_from_others() {
        let uuid = "1b5e8b4e-6f0d-4c3a-9d35-0a3b0f8f6f0f";
        let manage = format!("urn:globus:auth:scope:{uuid}:manage_collections");
        let data_access = format!("https://auth.globus.org/scopes/{uuid}/data_access");
        for (resource_server, scope, expected) in [
            (AUTH_RESOURCE_SERVER, "openid email", true),
            ("transfer.api.globus.org", "", true),
            ("groups.api.preview.globus.org", "", true),
            ("auth.test.globuscs.info", "", true),
            (uuid, manage.as_str(), true),
            (uuid, data_access.as_str(), true),
            (
                "funcx_service",
                "https://auth.globus.org/scopes/facd7ccc-c5f4-42aa-916b-a0e270e2c2a9/all",
                true,
            ),
            (uuid, "", false),
            (uuid, "read urn:example", false),
            ("api.example.org", "openid", false),
            ("globus.org.example", "openid", false),
            ("notglobus.org", "", false),
            (
                "https://auth.globus.org.example/scopes/",
                "https://auth.globus.org.example/scopes/x",
                false,
            ),
        ] {
            let data = TokenData::new(resource_server, scope, "at");
            assert_eq!(is_globus(&data), expected, "{resource_server} {scope}");
        }
    }
}
