//! What the program logs, at the finest level, on standard error: where `TOKEN_STORAGE_TEST_LOG=1` asks for it, as
//! `.ci/checks/53-canary.sh` does, which looks for tokens in it.

use std::sync::Once;

/// From now on, for the whole process.
pub(crate) fn everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if std::env::var("TOKEN_STORAGE_TEST_LOG").as_deref() == Ok("1") {
            let all = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
            // Not by `print!`: the tests' harness would keep it to itself.
            let _ = all.with_writer(std::io::stderr).try_init();
        }
    });
}
