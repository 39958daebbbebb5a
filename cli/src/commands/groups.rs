use std::io::IsTerminal as _;

use csv::{Terminator, WriterBuilder};
use serde_json::{Value, json};
use token_storage::globus::{Environment, Group, scopes};

use crate::{
    Context, Exit, Failure, Result,
    login::{Ask, AskArgs, is_attended, log_in, usual_scope},
    manager::Session,
    output::{print, print_json},
    server::ServerArgs,
    text,
    voice::note,
};

/// Print the Globus groups that the person who logged in belongs to, as CSV (RFC 4180)
///
/// Uses the stored token, refreshed if need be. If there is none, and somebody at a terminal can be asked, it logs in
/// first, as `login` does. On a terminal, characters that would steer it are shown escaped.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    ask: AskArgs,

    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Exit> {
    let url = Environment::from_variables()?.my_groups_url();
    let open = || Session::open(context, &args.server, scopes::GROUPS_RESOURCE_SERVER);
    let ask = Ask::new(&usual_scope(), args.ask, &args.server, context)?;
    let body = match open().await?.get(scopes::GROUPS_RESOURCE_SERVER, &url).await {
        Err(failure) if failure.needs_login() && is_attended() => {
            note(failure.message());
            log_in(&Session::for_login(context, &args.server).await?, ask).await?;
            open().await?.get(scopes::GROUPS_RESOURCE_SERVER, &url).await?
        }
        answer => answer?,
    };
    let groups = Group::parse_list(&body)?;
    if context.json {
        let groups: Vec<Value> = groups.iter().map(as_json).collect();
        print_json(&json!({ "groups": groups }))?;
    } else {
        print(&csv(&groups)?)?;
    }
    Ok(Exit::Success)
}

fn as_json(group: &Group) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "group_type": group.group_type,
        "enforce_session": group.enforce_session,
        "roles": group.roles,
    })
}

fn csv(groups: &[Group]) -> Result<String> {
    let terminal = std::io::stdout().is_terminal();
    let shown = |text: &str| {
        if terminal {
            text::one_line(text)
        } else {
            text.to_owned()
        }
    };
    let mut table = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    let failed = |_| Failure::new(Exit::Failure, "cannot write the groups as CSV");
    table
        .write_record(["ID", "Name", "Type", "Session Enforcement", "Roles"])
        .map_err(failed)?;
    for group in groups {
        let enforcement = if group.enforce_session { "strict" } else { "not strict" };
        let row = [
            &shown(&group.id),
            &shown(&group.name),
            &shown(&group.group_type),
            enforcement,
            &shown(&group.roles.join(",")),
        ];
        table.write_record(row).map_err(failed)?;
    }
    let bytes = table.into_inner().unwrap_or_default();
    Ok(String::from_utf8(bytes).unwrap_or_default())
}
