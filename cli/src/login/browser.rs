use std::{env, thread};

use tokio::sync::oneshot;
use webbrowser::{Browser, BrowserOptions, open_browser_with_options};

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
        let mut options = BrowserOptions::new();
        options.with_suppress_output(true);
        let opened = open_browser_with_options(Browser::Default, &url, &options);
        // Nobody may wait for it any longer.
        let _ = sender.send(opened.is_ok());
    });
    started.await.unwrap_or(false)
}
