//! Ctrl-C and the signal to end: what the suite wrote is removed first.

use token_storage_conformance::{Plan, Results};
use tokio::task::{JoinError, JoinHandle};

use super::tell_what_is_left;
use crate::{Exit, Failure, Result, voice};

/// Waits for the results. The first signal ends the cases in progress; once what they wrote is removed, the process dies
/// of that signal, as shells and build tools expect. A second one ends it at once.
pub(super) async fn watch(plan: &Plan, mut task: JoinHandle<Results>, ended: impl FnOnce()) -> Result<Results> {
    let signal = tokio::select! {
        done = &mut task => {
            ended();
            return results(done);
        }
        signal = signal::next() => signal,
    };
    ended();
    plan.interrupt();
    voice::note("interrupted: removing what the suite wrote (once more to leave it there)");
    tokio::select! {
        done = &mut task => tell_what_is_left(&results(done)?, plan),
        _ = signal::next() => {}
    }
    signal::die(signal);
    Err(Failure::silent())
}

fn results(done: Result<Results, JoinError>) -> Result<Results> {
    done.map_err(|_| Failure::new(Exit::Failure, "the suite itself failed; please report it"))
}

#[cfg(unix)]
mod signal {
    use tokio::signal::unix::{SignalKind, signal};

    pub(super) async fn next() -> SignalKind {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        let (Ok(mut interrupted), Ok(mut terminated)) = (signal(interrupt), signal(terminate)) else {
            // Then signals end the process as they always do.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupted.recv() => interrupt,
            _ = terminated.recv() => terminate,
        }
    }

    pub(super) fn die(signal: SignalKind) {
        let number = signal.as_raw_value();
        if signal_hook::low_level::emulate_default_handler(number).is_err() {
            std::process::exit(128 + number);
        }
    }
}

#[cfg(not(unix))]
mod signal {
    pub(super) async fn next() {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }

    pub(super) fn die((): ()) {
        std::process::exit(1)
    }
}
