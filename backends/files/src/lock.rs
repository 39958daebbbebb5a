use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    beside, create_parents,
    permissions::{adopt_owner, open_own},
    private_options, sweep, tighten,
};

/// How long the helper thread of a lock is kept after its last wait: a process that meets others waits again at once, and
/// starting a thread costs it as much as its write.
const HELPER_STAYS: Duration = Duration::from_secs(1);

/// The lock between processes that guards a file: an advisory lock of the operating system on `<file>.lock`.
///
/// It is never put on the file itself, which is replaced, and the lock file is never deleted (clause D2). The operating
/// system frees it when the holder's process dies. Two values for the same file exclude each other, within one process
/// too; one value is for one thread at a time to hold, and is fair to other processes: its waiting happens inside the
/// operating system's queue.
#[derive(Debug)]
pub struct SidecarLock {
    path: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Kept open between acquisitions; taken out while it is locked or waited for.
    idle: Option<File>,
    queue: Queue,
    /// Brings files to the helper thread, if there is one.
    helper: Option<Sender<File>>,
    /// What others left behind was looked for once.
    swept: bool,
    /// Whose the rest is, once there is any.
    process: Option<u32>,
}

/// What the helper thread, which waits in the operating system's queue, is about.
#[derive(Debug, Default)]
enum Queue {
    #[default]
    Empty,
    Waiting {
        wanted: bool,
    },
    Granted(File),
    Failed(io::Error),
}

impl SidecarLock {
    /// The lock of a file, whose path must be [resolved](crate::resolve). Touches nothing yet.
    pub fn new(file: &Path) -> Self {
        let shared = Shared {
            target: file.to_owned(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Self {
            path: beside(file, ".lock"),
            shared: Arc::new(shared),
        }
    }

    /// The path of the lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the lock file is there. Where it is not, look whether the work is to be done at all before it is made.
    pub fn exists(&self) -> bool {
        self.path.try_exists().unwrap_or(true)
    }

    /// Takes the lock if it is free now. Creates the lock file and the directories above it, owner-only.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn try_acquire(&self) -> io::Result<Option<LockGuard>> {
        self.acquire_until(Instant::now())
    }

    /// Takes the lock if it is free now and its file exists; never creates anything.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn try_acquire_existing(&self) -> io::Result<Option<LockGuard>> {
        match self.path.try_exists() {
            Ok(true) => self.try_acquire(),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits for the lock until the deadline; `None` if it is still held then. Blocks the thread.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn acquire_until(&self, deadline: Instant) -> io::Result<Option<LockGuard>> {
        loop {
            let Some(file) = self.lock_some_file(deadline)? else {
                return Ok(None);
            };
            // Somebody may have deleted or replaced the lock file all the same: a lock on a file that the path no longer
            // names excludes nobody.
            if names_this(&self.path, &file)? {
                return Ok(Some(LockGuard {
                    file: Some(file),
                    shared: Arc::clone(&self.shared),
                    work: Work::None,
                }));
            }
        }
    }

    fn lock_some_file(&self, deadline: Instant) -> io::Result<Option<File>> {
        let mut state = self.shared.lock();
        state.be_of(std::process::id());
        if let Queue::Empty = state.queue {
            // Whether the path still names it is looked at once it is locked.
            let file = match state.idle.take() {
                Some(file) => file,
                None => self.open()?,
            };
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if deadline <= Instant::now() => {
                    state.idle = Some(file);
                    return Ok(None);
                }
                Err(TryLockError::WouldBlock) => self.queue_up(&mut state, file)?,
            }
        }
        self.wait_for_helper(state, deadline)
    }

    fn wait_for_helper(&self, mut state: MutexGuard<'_, State>, deadline: Instant) -> io::Result<Option<File>> {
        loop {
            match std::mem::take(&mut state.queue) {
                Queue::Granted(file) => return Ok(Some(file)),
                Queue::Failed(error) => return Err(error),
                Queue::Empty | Queue::Waiting { .. } => state.queue = Queue::Waiting { wanted: true },
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.queue = Queue::Waiting { wanted: false };
                return Ok(None);
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Only a blocking `lock` stands in the operating system's queue (polling starves beside it), and it cannot be
    /// bounded: so a helper thread makes it, and the caller's wait is bounded. If the caller gives up, the helper hands
    /// the lock back at once when it gets it, or the next caller inherits its place.
    fn queue_up(&self, state: &mut State, file: File) -> io::Result<()> {
        let file = match &state.helper {
            Some(helper) => match helper.send(file) {
                Ok(()) => return Ok(()),
                // It has panicked.
                Err(mpsc::SendError(file)) => file,
            },
            None => file,
        };
        let (sender, files) = mpsc::channel();
        let shared = Arc::downgrade(&self.shared);
        thread::Builder::new()
            .name("token-storage-lock".to_owned())
            .spawn(move || {
                wait_in_line(&shared, file);
                help(&shared, &files);
            })?;
        state.helper = Some(sender);
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        create_parents(&self.path)?;
        let mut options = private_options();
        let file = open_own(options.read(true).write(true).create(true).truncate(false), &self.path)?;
        tighten(&self.path)?;
        adopt_owner(&file, &self.shared.target);
        Ok(file)
    }
}

/// The helper thread: waits for one file after another, until none has come for a while or the lock is not used any more.
fn help(shared: &Weak<Shared>, files: &Receiver<File>) {
    loop {
        let file = match files.recv_timeout(HELPER_STAYS) {
            Ok(file) => file,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let Some(shared) = shared.upgrade() else { return };
                let mut state = shared.lock();
                // One may have come just now; while the state is locked no other can.
                match files.try_recv() {
                    Ok(file) => file,
                    Err(_) => {
                        state.helper = None;
                        return;
                    }
                }
            }
        };
        wait_in_line(shared, file);
    }
}

/// Locks the file for whoever wants it by then, or frees it if nobody is left to want it.
fn wait_in_line(shared: &Weak<Shared>, file: File) {
    let result = file.lock();
    let Some(shared) = shared.upgrade() else {
        // Not only closed: a process that was forked meanwhile may have it open, too.
        let _ = file.unlock();
        return;
    };
    let mut state = shared.lock();
    state.queue = match (result, &state.queue) {
        (Err(error), _) => Queue::Failed(error),
        (Ok(()), Queue::Waiting { wanted: true }) => Queue::Granted(file),
        (Ok(()), _) => {
            if file.unlock().is_ok() {
                state.idle = Some(file);
            }
            Queue::Empty
        }
    };
    // Who is woken needs the state at once, and holds up everybody else meanwhile.
    drop(state);
    shared.changed.notify_all();
}

impl State {
    /// A process that was forked has neither the helper thread nor, in the file that it shares with its parent, a lock of its
    /// own: it begins anew.
    fn be_of(&mut self, process: u32) {
        if self.process.is_some_and(|before| before != process) {
            *self = Self::default();
        }
        self.process = Some(process);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lock, held until this is dropped. Owns what it needs and may move between threads.
#[derive(Debug)]
pub struct LockGuard {
    file: Option<File>,
    shared: Arc<Shared>,
    work: Work,
}

/// How far the work is that may leave temporary files behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    None,
    /// There may be some, of this holder or of those before.
    Begun,
    /// Those of the holders before are gone.
    Clean,
    Done,
}

impl LockGuard {
    /// Notes in the lock file that its holder is at work, before it makes a [`Replacement`](crate::Replacement), and
    /// removes what holders before it left. The note stays until work was [finished](Self::finish_work): so whoever is
    /// killed, or fails, or cannot remove what he finds, leaves word for the next one.
    ///
    /// The note survives the death of processes, not a power loss: so the first work of each lock looks in any case.
    ///
    /// # Errors
    /// Those of the operating system. The work can be done all the same.
    pub fn begin_work(&mut self) -> io::Result<()> {
        self.begin_work_with(sweep)
    }

    /// [`begin_work`](Self::begin_work) for a lock that guards more than one file: `sweep` gets the path that the lock was
    /// made for, and removes what was left behind of all of them.
    ///
    /// # Errors
    /// Those of the operating system, and of `sweep`.
    pub fn begin_work_with(&mut self, sweep: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.work = Work::Begun;
        let mut mark = [0];
        file.seek(SeekFrom::Start(0))?;
        let died = file.read(&mut mark)? == 1 && mark == *IN_USE;
        if !died {
            write_mark(file, IN_USE)?;
        }
        if died || !self.shared.lock().swept {
            sweep(&self.shared.target)?;
            self.shared.lock().swept = true;
        }
        self.work = Work::Clean;
        Ok(())
    }

    /// Says that the work has left nothing behind.
    pub fn finish_work(&mut self) {
        if self.work == Work::Clean {
            self.work = Work::Done;
        }
    }
}

const IN_USE: &[u8; 1] = b"1";
const IDLE: &[u8; 1] = b"0";

fn write_mark(file: &mut File, mark: &[u8; 1]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(mark)
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let Some(mut file) = self.file.take() else { return };
        if self.work == Work::Done {
            // A mark that stays costs the next holder one look into the directory.
            let _ = write_mark(&mut file, IDLE);
        }
        // If unlocking fails, closing the file frees it.
        if file.unlock().is_ok() {
            self.shared.lock().idle = Some(file);
        }
    }
}

/// Whether the path still names the open file.
#[cfg(unix)]
pub(crate) fn names_this(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// An open file cannot be deleted or replaced there.
#[cfg(not(unix))]
pub(crate) fn names_this(_path: &Path, _file: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc, time::Duration};

    use super::*;

    fn two(folder: &Path) -> (SidecarLock, SidecarLock) {
        let file = folder.join("tokens.json");
        (SidecarLock::new(&file), SidecarLock::new(&file))
    }

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        let held = a.try_acquire().unwrap().unwrap();
        assert!(b.try_acquire().unwrap().is_none());
        drop(held);
        assert!(b.try_acquire().unwrap().is_some());
        assert!(a.try_acquire().unwrap().is_some());
    }

    #[test]
    fn a_waiter_gets_it_when_it_is_freed() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        let held = a.try_acquire().unwrap().unwrap();
        let (done, waited) = mpsc::channel();
        let waiter = thread::spawn(move || {
            done.send(
                b.acquire_until(Instant::now() + Duration::from_secs(60))
                    .unwrap()
                    .is_some(),
            )
            .unwrap();
        });
        assert!(waited.try_recv().is_err());
        drop(held);
        assert!(waited.recv().unwrap());
        waiter.join().unwrap();
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_freed_though_another_process_has_it_open() {
        let folder = tempfile::tempdir().unwrap();
        let (a, _) = two(folder.path());
        drop(a.try_acquire().unwrap().unwrap());
        let file = File::options().read(true).write(true).open(a.path()).unwrap();
        let copy_of_a_child = file.try_clone().unwrap();
        wait_in_line(&Weak::new(), file);
        assert!(a.try_acquire().unwrap().is_some());
        drop(copy_of_a_child);
    }

    #[test]
    fn a_forked_process_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        let held = a.try_acquire().unwrap().unwrap();
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(b.acquire_until(soon).unwrap().is_none());
        drop(held);
        // As a child that was forked while the parent's helper waited, of whom it has the state and not the thread.
        let (helper, nobody) = mpsc::channel();
        {
            let mut state = b.shared.lock();
            state.queue = Queue::Waiting { wanted: false };
            state.helper = Some(helper);
            state.process = Some(std::process::id().wrapping_add(1));
        }
        let soon = Instant::now() + Duration::from_secs(60);
        assert!(b.acquire_until(soon).unwrap().is_some());
        assert!(nobody.try_recv().is_err());
    }

    #[test]
    fn the_helper_stays_for_the_next_wait_and_goes_when_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        let has_helper = || b.shared.lock().helper.is_some();
        let held = a.try_acquire().unwrap().unwrap();
        let soon = || Instant::now() + Duration::from_millis(5);
        assert!(b.acquire_until(soon()).unwrap().is_none());
        assert!(has_helper());
        drop(held);
        drop(
            b.acquire_until(Instant::now() + Duration::from_secs(60))
                .unwrap()
                .unwrap(),
        );
        // As a helper that has served its last file.
        let (sender, files) = mpsc::channel();
        b.shared.lock().helper = Some(sender);
        help(&Arc::downgrade(&b.shared), &files);
        assert!(!has_helper());
        let held = a.try_acquire().unwrap().unwrap();
        assert!(b.acquire_until(soon()).unwrap().is_none(), "there is another one");
        drop(held);
        assert!(
            b.acquire_until(Instant::now() + Duration::from_secs(60))
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn giving_up_leaves_the_lock_usable() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        let held = a.try_acquire().unwrap().unwrap();
        for _ in 0..3 {
            assert!(
                b.acquire_until(Instant::now() + Duration::from_millis(5))
                    .unwrap()
                    .is_none()
            );
        }
        drop(held);
        assert!(
            b.acquire_until(Instant::now() + Duration::from_secs(60))
                .unwrap()
                .is_some()
        );
        assert!(
            a.acquire_until(Instant::now() + Duration::from_secs(60))
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn d2_releasing_never_deletes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (a, _) = two(folder.path());
        drop(a.try_acquire().unwrap());
        assert!(a.path().exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_deleted_lock_file_does_not_give_two_holders() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        drop(a.try_acquire().unwrap());
        fs::remove_file(a.path()).unwrap();
        let held = b.try_acquire().unwrap().unwrap();
        assert!(
            a.try_acquire().unwrap().is_none(),
            "the descriptor kept from before is not the file any more"
        );
        drop(held);
        assert!(a.try_acquire().unwrap().is_some());
    }

    #[test]
    fn reading_programs_create_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (a, _) = two(folder.path());
        assert!(a.try_acquire_existing().unwrap().is_none());
        assert!(!a.path().exists());
    }

    fn stray(folder: &Path) -> PathBuf {
        folder.join(format!(".tokens.json.{}.tmp", "x".repeat(16)))
    }

    fn work(lock: &SidecarLock) -> io::Result<()> {
        let mut held = lock.try_acquire().unwrap().unwrap();
        let begun = held.begin_work();
        held.finish_work();
        begun
    }

    #[test]
    fn d2_what_a_holder_left_that_died_at_work_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        work(&b).unwrap();
        let mut held = a.try_acquire().unwrap().unwrap();
        held.begin_work().unwrap();
        fs::write(stray(folder.path()), "").unwrap();
        // As a kill does it: the lock goes, the mark stays.
        drop(held.file.take());
        work(&b).unwrap();
        assert!(!stray(folder.path()).exists());
        fs::write(stray(folder.path()), "").unwrap();
        work(&b).unwrap();
        assert!(
            stray(folder.path()).exists(),
            "looked for when there is a reason, not each time"
        );
    }

    #[test]
    fn d2_a_holder_that_fails_leaves_word_like_one_that_dies() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        work(&b).unwrap();
        let mut held = a.try_acquire().unwrap().unwrap();
        held.begin_work().unwrap();
        fs::write(stray(folder.path()), "").unwrap();
        drop(held);
        work(&b).unwrap();
        assert!(!stray(folder.path()).exists());
    }

    #[test]
    fn d2_what_cannot_be_swept_is_tried_again_by_everyone() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = two(folder.path());
        work(&a).unwrap();
        work(&b).unwrap();
        fs::write(a.path(), IN_USE).unwrap();
        // Not even root can remove a directory as a file.
        fs::create_dir(stray(folder.path())).unwrap();
        assert!(work(&a).is_err());
        assert!(work(&b).is_err());
        fs::remove_dir(stray(folder.path())).unwrap();
        fs::write(stray(folder.path()), "").unwrap();
        work(&a).unwrap();
        assert!(!stray(folder.path()).exists());
        assert_eq!(fs::read(a.path()).unwrap(), IDLE);
    }

    #[test]
    fn d2_a_power_loss_loses_the_mark_and_not_the_sweeping() {
        let folder = tempfile::tempdir().unwrap();
        let (a, _) = two(folder.path());
        fs::write(a.path(), IDLE).unwrap();
        fs::write(stray(folder.path()), "").unwrap();
        work(&a).unwrap();
        assert!(!stray(folder.path()).exists());
    }

    #[cfg(unix)]
    #[test]
    fn d4_what_is_no_file_is_neither_locked_nor_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "content").unwrap();
        let (a, _) = two(folder.path());
        std::os::unix::fs::symlink(&victim, a.path()).unwrap();
        assert!(
            a.try_acquire().is_err(),
            "a link that somebody put there is not followed"
        );
        assert_eq!(fs::read(&victim).unwrap(), b"content");
        fs::remove_file(a.path()).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            a.path(),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        assert!(a.try_acquire().is_err());
        assert!(
            crate::examine(&folder.path().join("tokens.json"))
                .iter()
                .any(|finding| {
                    finding.severity == token_storage_core::Severity::Error && finding.message.contains("not a file")
                })
        );
    }

    #[cfg(unix)]
    #[test]
    fn d4_the_lock_file_is_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (a, _) = two(folder.path());
        fs::write(a.path(), "").unwrap();
        fs::set_permissions(a.path(), fs::Permissions::from_mode(0o666)).unwrap();
        drop(a.try_acquire().unwrap());
        assert_eq!(fs::metadata(a.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
