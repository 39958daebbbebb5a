//! Ctrl-C and its like wait until new tokens are stored: by then a refresh has spent the old refresh token, and dying in
//! between would log the user out; a login has made the server issue tokens that nobody would know of. A second one is
//! obeyed at once.

#[cfg(unix)]
mod signals {
    use std::{
        fs,
        io::Read as _,
        os::unix::net::UnixStream,
        sync::{
            Arc, OnceLock,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        thread,
    };

    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        flag, low_level,
    };

    use crate::voice;

    #[derive(Default)]
    struct Signals {
        /// Whether a signal has its usual effect.
        effective: Arc<AtomicBool>,
        /// The signal that came while it had not, or 0.
        pending: Arc<AtomicUsize>,
        /// Whether something is under way that must not be broken off.
        held: Arc<AtomicBool>,
    }

    static SIGNALS: OnceLock<Signals> = OnceLock::new();

    impl Signals {
        fn install() -> Self {
            let signals = Self::default();
            let ignored = ignored();
            let waker = signals.explain();
            for signal in [SIGINT, SIGTERM, SIGHUP] {
                // Whoever started this may have meant to keep it alive, as nohup does.
                if ignored & (1 << (signal - 1)) != 0 {
                    continue;
                }
                // If it cannot be caught, things are as they would be without this. In this order, so that the first
                // signal makes the second effective.
                let _ = flag::register_conditional_default(signal, signals.effective.clone());
                let _ = flag::register(signal, signals.effective.clone());
                let number = usize::try_from(signal).unwrap_or_default();
                let _ = flag::register_usize(signal, signals.pending.clone(), number);
                if let Some(waker) = waker.as_ref().and_then(|waker| waker.try_clone().ok()) {
                    let _ = low_level::pipe::register(signal, waker);
                }
            }
            signals
        }

        /// Says why a signal has no effect yet, in a thread: a signal handler may not.
        fn explain(&self) -> Option<UnixStream> {
            let (mut reader, writer) = UnixStream::pair().ok()?;
            let held = self.held.clone();
            thread::spawn(move || {
                while reader.read_exact(&mut [0]).is_ok() {
                    if held.load(Ordering::SeqCst) {
                        voice::note(
                            "interrupted: waiting until the server has answered and the new tokens are stored, because \
                             the old ones are spent by now; once more ends the command at once",
                        );
                    }
                }
            });
            Some(writer)
        }
    }

    /// The signals that are ignored, a bit each, as far as the system tells.
    fn ignored() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or_default()
    }

    /// From here on signals wait.
    pub(crate) fn hold() {
        let signals = SIGNALS.get_or_init(Signals::install);
        signals.effective.store(false, Ordering::SeqCst);
        signals.held.store(true, Ordering::SeqCst);
    }

    /// Signals have their usual effect again, those that waited too.
    pub(crate) fn release(stored: bool) {
        let Some(signals) = SIGNALS.get() else {
            return;
        };
        signals.held.store(false, Ordering::SeqCst);
        signals.effective.store(true, Ordering::SeqCst);
        let pending = signals.pending.load(Ordering::SeqCst);
        if let Some(signal) = i32::try_from(pending).ok().filter(|signal| *signal != 0) {
            voice::note(match stored {
                true => "interrupted: what the server answered is stored",
                false => "interrupted: nothing new is stored",
            });
            // Does not come back.
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

#[cfg(unix)]
pub(crate) use signals::{hold, release};

/// Not done here.
#[cfg(not(unix))]
pub(crate) fn hold() {}

/// Not done here.
#[cfg(not(unix))]
pub(crate) fn release(_stored: bool) {}
