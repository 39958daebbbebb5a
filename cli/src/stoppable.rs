//! Ctrl-C and the signal to end, for what writes records of its own: they are removed first.

use tokio::task::{JoinError, JoinHandle};

use crate::{Exit, Failure, Result, voice};

pub(crate) use signal::Signals;

/// Waits for what the task gives. The first signal calls `stop`, which ends the work early, and says that `removing`; once the
/// task has removed what it wrote, `removed` is called, and the process dies of that signal, as shells and build tools
/// expect. A second one ends it at once.
pub(crate) async fn watch<T>(
    mut signals: Signals,
    mut task: JoinHandle<T>,
    removing: &str,
    stop: impl FnOnce(),
    removed: impl FnOnce(&T),
) -> Result<T> {
    let signal = tokio::select! {
        done = &mut task => return result(done),
        signal = signals.next() => signal,
    };
    stop();
    voice::note(removing);
    tokio::select! {
        done = &mut task => removed(&result(done)?),
        _ = signals.next() => {}
    }
    signal::die(signal);
    Err(Failure::silent())
}

fn result<T>(done: Result<T, JoinError>) -> Result<T> {
    done.map_err(|_| Failure::new(Exit::Failure, "the command itself failed; please report it"))
}

#[cfg(unix)]
mod signal {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// From when it is made the signals wait to be asked for: make it before there is anything to remove.
    pub(crate) struct Signals(Option<[(SignalKind, Signal); 2]>);

    impl Signals {
        /// Where it cannot be had, signals end the process as they always do.
        pub(crate) fn listen() -> Self {
            let listen = |kind| Some((kind, signal(kind).ok()?));
            Self(listen(SignalKind::interrupt()).and_then(|first| Some([first, listen(SignalKind::terminate())?])))
        }

        pub(super) async fn next(&mut self) -> SignalKind {
            let Some([(interrupt, interrupted), (terminate, terminated)]) = &mut self.0 else {
                return std::future::pending().await;
            };
            tokio::select! {
                _ = interrupted.recv() => *interrupt,
                _ = terminated.recv() => *terminate,
            }
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
    pub(crate) struct Signals;

    impl Signals {
        pub(crate) fn listen() -> Self {
            Self
        }

        pub(super) async fn next(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending().await
            }
        }
    }

    pub(super) fn die((): ()) {
        std::process::exit(1)
    }
}
