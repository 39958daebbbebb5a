//! Ctrl-C and its like wait until new tokens are stored: by then a refresh has spent the old refresh token, and dying in
//! between would log the user out; a login has made the server issue tokens that nobody would know of. A second one is
//! obeyed at once. While the command only waits, for a person or for another process, the first ends it, and it says what it
//! waited for and that nothing was stored. What hides what is typed shows it again first.

/// What must not be broken off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A refresh token, or the credentials of a client.
    Refresh,
    /// A code, or what stands for one.
    Login,
}

impl Sent {
    #[cfg(unix)]
    fn why(self) -> &'static str {
        match self {
            Self::Refresh => {
                "interrupted: waiting until the server has answered and the new tokens are stored, because the old ones are \
                 spent by now; once more ends the command at once"
            }
            Self::Login => {
                "interrupted: the login is on its way to the server; waiting until it has answered and the tokens are \
                 stored, so that none stays behind there; once more ends the command at once"
            }
        }
    }
}

#[cfg(unix)]
mod signals {
    use std::{
        fs,
        io::Read as _,
        os::unix::net::UnixStream,
        sync::{
            Arc, Mutex, OnceLock, PoisonError,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        thread,
    };

    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM},
        flag, low_level,
    };

    use super::Sent;
    use crate::voice;

    /// What the command is at.
    #[derive(Default)]
    enum Phase {
        /// Signals have their usual effect.
        #[default]
        Free,
        /// It waits for this, and nothing is lost if it ends.
        Waiting(&'static str),
        /// Something is under way that must not be broken off.
        Held(Sent),
        /// It asks for a secret at the terminal, which is to be as it was.
        Asking(Option<Terminal>),
    }

    /// A terminal, and how it was.
    struct Terminal(fs::File, rustix::termios::Termios);

    impl Terminal {
        fn now() -> Option<Self> {
            let terminal = fs::File::open("/dev/tty").ok()?;
            let settings = rustix::termios::tcgetattr(&terminal).ok()?;
            Some(Self(terminal, settings))
        }

        fn restore(&self) {
            let _ = rustix::termios::tcsetattr(&self.0, rustix::termios::OptionalActions::Now, &self.1);
        }
    }

    #[derive(Default)]
    struct Signals {
        /// Whether a signal has its usual effect.
        effective: Arc<AtomicBool>,
        /// The signal that came while it had not, or 0.
        pending: Arc<AtomicUsize>,
        phase: Arc<Mutex<Phase>>,
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

        /// Says what a signal breaks off, or why it has no effect yet, in a thread: a signal handler may not.
        fn explain(&self) -> Option<UnixStream> {
            let (mut reader, writer) = UnixStream::pair().ok()?;
            let (phase, pending) = (self.phase.clone(), self.pending.clone());
            thread::spawn(move || {
                while reader.read_exact(&mut [0]).is_ok() {
                    // Held meanwhile, so that what is said is so.
                    let phase = phase.lock().unwrap_or_else(PoisonError::into_inner);
                    match &*phase {
                        Phase::Free => {}
                        Phase::Held(sent) => voice::note(sent.why()),
                        Phase::Waiting(what) => end_waiting(what, &pending),
                        Phase::Asking(terminal) => {
                            if let Some(terminal) = terminal {
                                terminal.restore();
                            }
                            obey(&pending);
                        }
                    }
                }
            });
            Some(writer)
        }

        fn set(&self, phase: Phase) {
            let usual = matches!(phase, Phase::Free);
            let mut now = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
            if let Phase::Waiting(what) = &*now {
                // It may come here before the thread that explains: a browser of the same terminal is ended, too.
                end_waiting(what, &self.pending);
            }
            *now = phase;
            self.effective.store(usual, Ordering::SeqCst);
        }
    }

    /// The signals that are ignored, a bit each, as far as the system tells.
    fn ignored() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .unwrap_or_default()
    }

    /// Ends the command if a signal came while it waited for this.
    fn end_waiting(what: &str, pending: &AtomicUsize) {
        if pending.load(Ordering::SeqCst) != 0 {
            voice::note(&format!("interrupted while waiting for {what}; nothing was stored"));
            obey(pending);
        }
    }

    /// Ends as the signal does that is pending, if one is.
    fn obey(pending: &AtomicUsize) {
        let pending = pending.load(Ordering::SeqCst);
        if let Some(signal) = i32::try_from(pending).ok().filter(|signal| *signal != 0) {
            // Does not come back.
            let _ = low_level::emulate_default_handler(signal);
        }
    }

    /// From here on signals wait.
    pub(crate) fn hold(sent: Sent) {
        SIGNALS.get_or_init(Signals::install).set(Phase::Held(sent));
    }

    /// From here on, until something is sent or [`release`], a signal ends the command with a word about what it waited for.
    pub(crate) fn wait_for(what: &'static str) {
        SIGNALS.get_or_init(Signals::install).set(Phase::Waiting(what));
    }

    /// Asks for a secret. A signal ends the command as ever, but not before the terminal shows again what is typed.
    pub(crate) fn asking<T>(ask: impl FnOnce() -> T) -> T {
        let signals = SIGNALS.get_or_init(Signals::install);
        signals.set(Phase::Asking(Terminal::now()));
        let answer = ask();
        signals.set(Phase::Free);
        obey(&signals.pending);
        answer
    }

    /// Signals have their usual effect again, those that waited too.
    pub(crate) fn release(stored: bool) {
        let Some(signals) = SIGNALS.get() else {
            return;
        };
        signals.set(Phase::Free);
        if signals.pending.load(Ordering::SeqCst) != 0 {
            voice::note(match stored {
                true => "interrupted: what the server answered is stored",
                false => "interrupted: nothing new is stored",
            });
            obey(&signals.pending);
        }
    }
}

#[cfg(unix)]
pub(crate) use signals::{asking, hold, release, wait_for};

/// Not done here.
#[cfg(not(unix))]
pub(crate) fn asking<T>(ask: impl FnOnce() -> T) -> T {
    ask()
}

/// Not done here.
#[cfg(not(unix))]
pub(crate) fn hold(_: Sent) {}

/// Not done here.
#[cfg(not(unix))]
pub(crate) fn wait_for(_: &'static str) {}

/// Not done here.
#[cfg(not(unix))]
pub(crate) fn release(_stored: bool) {}
