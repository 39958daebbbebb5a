//! gcloud's application default credentials.

use token_storage_core::{Result, TokenData};

use super::{Found, Program, invalid, issued_by, nothing, object, text};

const ISSUER: &str = "https://accounts.google.com";
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";

/// There is no access token in it: the record has an empty one that expired long ago, and the first use refreshes it.
pub(super) fn read(file: &[u8]) -> Result<Found> {
    let members = object(Program::Gcloud, file)?;
    match text(&members, "type") {
        Some("authorized_user") => {}
        Some(_) => {
            return Err(invalid(
                "these are credentials of a machine and no login of a person; nothing in it expires",
            ));
        }
        None => return Err(nothing(Program::Gcloud)),
    }
    let (Some(refresh_token), Some(client_id)) = (text(&members, "refresh_token"), text(&members, "client_id")) else {
        return Err(nothing(Program::Gcloud));
    };
    let mut data = TokenData::new("www.googleapis.com", "", "")
        .with_refresh_token(refresh_token)
        .with_expires_at(1);
    issued_by(ISSUER, Some(TOKEN_ENDPOINT), client_id).write(&mut data.extra);
    let mut lost = vec![
        "There is no access token in the file: the first use has to refresh.".to_owned(),
        "The client's secret is left behind; a refresh has to be given it.".to_owned(),
    ];
    if members.contains_key("quota_project_id") {
        lost.push("The quota project is left behind; requests name it in a header.".to_owned());
    }
    Ok(Found { data, lost })
}
