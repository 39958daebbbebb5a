//! Which server a stored record belongs to. Its refresh token is sent to that one alone.

use token_storage::{IssuedBy, TokenData, TokenPath, globus::scopes, oauth::Provider};

use super::{Addresses, Server, ServerArgs};
use crate::{Exit, Failure, Result, text};

impl ServerArgs {
    /// The server that issued the tokens of a record: the record's own, or for one that names none what the options say.
    /// Without either it is Globus, if the record looks like it, and else a reason why nothing may be sent: tokens that
    /// are still good can be used all the same.
    pub(crate) fn server_of(&self, data: &TokenData) -> Result<Result<Server, String>> {
        match IssuedBy::of(data)? {
            Some(theirs) => {
                let server = match self.names_a_server() {
                    true => self.confirmed(&theirs)?,
                    false => self.remembered(&theirs)?,
                };
                Ok(match server.credentials.lacking(&theirs) {
                    Some(why) => Err(why),
                    None => Ok(server),
                })
            }
            None if self.names_a_server() || scopes::is_globus(data) => self.server().map(Ok),
            None => Ok(Err(unknown(&data.resource_server))),
        }
    }

    /// These options, and what they do not say from a record.
    pub(crate) fn or_of(&self, data: &TokenData) -> Result<Self> {
        let mut args = self.clone();
        if let Some(theirs) = IssuedBy::of(data)?.filter(|_| !self.names_a_server()) {
            args.issuer = theirs.issuer.filter(|issuer| !issuer.is_empty());
            args.token_endpoint = theirs.token_endpoint.filter(|_| args.issuer.is_none());
        }
        Ok(args)
    }

    /// The server of a record that cannot be had: only what the options name.
    pub(crate) fn server_of_none(&self, why: String) -> Result<Result<Server, String>> {
        match self.names_a_server() {
            true => self.server().map(Ok),
            false => Ok(Err(why)),
        }
    }

    /// The options name the server; the record must not name another.
    fn confirmed(&self, theirs: &IssuedBy) -> Result<Server> {
        let server = self.server_for(theirs.client_id.as_deref())?;
        if server.issued_by().is_same_server(theirs) {
            return Self::of_client(server, theirs);
        }
        let message = format!(
            "the token was issued by {}, and the options name another server, so nothing was sent; leave out --issuer, \
             --token-endpoint and TOKEN_STORAGE_ISSUER, or log in again at the other server",
            named(theirs)
        );
        Err(Failure::new(Exit::Usage, message))
    }

    /// The record names the server. A client's secret is not in the record, so who could change the record must not learn
    /// it.
    fn remembered(&self, theirs: &IssuedBy) -> Result<Server> {
        let addresses = match (&theirs.issuer, &theirs.token_endpoint) {
            (Some(issuer), _) => Addresses::of_issuer("the issuer that the record names", issuer)?,
            (None, _) => {
                let unusable = |error| Failure::from(error).at("the token endpoint that the record names");
                let provider = Provider::of_record(theirs).map_err(unusable)?;
                // A record that names a server names its issuer or its token endpoint.
                Addresses::Known(Box::new(
                    provider.ok_or_else(|| Failure::new(Exit::Usage, unknown(&named(theirs))))?,
                ))
            }
        };
        let server = self.at(addresses, theirs.client_id.as_deref())?;
        if server.credentials.are_there() && !server.addresses.is_globus() {
            let message = format!(
                "the record names the server {}, but what a client's secret or key proves is only sent to a server that \
                 you name, so nothing was sent; name it with --issuer or --token-endpoint",
                named(theirs)
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        Self::of_client(server, theirs)
    }

    /// A refresh token is good for one client only, and some servers revoke one that another client brings.
    fn of_client(mut server: Server, theirs: &IssuedBy) -> Result<Server> {
        if server.issued_by().is_same_client(theirs) {
            server.credentials.as_before(theirs);
            if let (None, Some(path)) = (&server.token_path, &theirs.token_path) {
                server.token_path = Some(TokenPath::parse(path)?);
            }
            // A client's secret goes where the server that was named says, not where a record says.
            if !server.credentials.are_there() && matches!(server.addresses, Addresses::Discovered(_)) {
                server.recorded = recorded(theirs).map(Box::new);
            }
            return Ok(server);
        }
        let message = format!(
            "the token was issued by {} to another client than --client-id or TOKEN_STORAGE_CLIENT_ID says, so nothing was \
             sent; leave it out, or log in again as this client",
            named(theirs)
        );
        Err(Failure::new(Exit::Usage, message))
    }
}

/// As far as the record names addresses that tokens may be sent to.
fn recorded(theirs: &IssuedBy) -> Option<Provider> {
    Provider::of_record(theirs).ok().flatten()
}

fn named(theirs: &IssuedBy) -> String {
    let name = theirs.issuer.as_ref().or(theirs.token_endpoint.as_ref());
    text::mention(name.map(String::as_str).unwrap_or_default())
}

fn unknown(resource_server: &str) -> String {
    format!(
        "the record of {} does not say which authorization server it came from, so nothing was sent; name the server and \
         the client with --issuer and --client-id (for Globus, --issuer https://auth.globus.org)",
        text::mention(resource_server)
    )
}
