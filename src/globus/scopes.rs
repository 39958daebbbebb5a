//! What Globus Auth and Globus Groups can be asked for, and whose tokens these are.

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
