use std::{env, process::Command, thread};

use tokio::sync::oneshot;
use webbrowser::{Browser, BrowserOptions, open_browser_with_options};

use crate::CREDENTIAL_VARIABLES;

/// Whether opening a browser makes sense: on a machine without a screen the usual openers start, and show nothing.
pub(super) fn can_open() -> bool {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let screen = ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"];
    cfg!(not(unix)) || cfg!(target_os = "macos") || screen.into_iter().any(set)
}

/// Opens the address in the browser of `$BROWSER`, else in the desktop's, and says whether one was started.
///
/// In a thread of its own, because a browser in the terminal ends only when its user leaves it.
pub(super) async fn open(url: &str) -> bool {
    let (sender, started) = oneshot::channel();
    let url = url.to_owned();
    thread::spawn(move || {
        let has_credentials = CREDENTIAL_VARIABLES.iter().any(|name| env::var_os(name).is_some());
        let opened = match has_credentials {
            false => open_here(&url),
            true => open_without_credentials(&url),
        };
        // Nobody may wait for it any longer.
        let _ = sender.send(opened);
    });
    started.await.unwrap_or(false)
}

pub(crate) fn open_here(url: &str) -> bool {
    let mut options = BrowserOptions::new();
    options.with_suppress_output(true);
    open_browser_with_options(Browser::Default, url, &options).is_ok()
}

/// A browser, and what it starts, has no business with the client's secret or key. A variable cannot be taken out of the
/// environment of this process safely, so another one of it opens the browser.
fn open_without_credentials(url: &str) -> bool {
    let Ok(program) = env::current_exe() else {
        return false;
    };
    let mut command = Command::new(program);
    command.args(["open-browser", url]);
    for variable in CREDENTIAL_VARIABLES {
        command.env_remove(variable);
    }
    command.status().is_ok_and(|status| status.success())
}
