use super::*;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

const MEMBER: PublicKey = PublicKey([7; 32]);

fn folder(path: &Path) -> PlotFolder {
    let mut folder = PlotFolder::new(path.join("plot"), "demo", Profile::Sim, &MEMBER);
    folder.step_labels = 50;
    folder
}

fn files(folder: &PlotFolder) -> BTreeSet<String> {
    let entries = std::fs::read_dir(&folder.path).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Plots until so many steps are done, and stops there as a killed process would.
fn interrupt_after(folder: &PlotFolder, steps: u64) {
    let mut told = 0;
    let killed = catch_unwind(AssertUnwindSafe(|| {
        folder.load_or_make(&mut |_| {
            assert!(told < steps, "killed");
            told += 1;
        })
    }));
    assert!(killed.is_err());
}

#[test]
fn a_plot_is_made_once_and_read_from_then_on() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    assert!(folder.load().err().unwrap().message.contains("has no complete plot"));
    let mut last = None;
    let made = folder.load_or_make(&mut |progress| last = Some(progress)).unwrap();
    assert!(last.unwrap().is_complete());
    assert_eq!(files(&folder), BTreeSet::from(["plot.key".to_owned(), "plot.labels".to_owned()]));
    // As an interruption at the very end leaves it.
    std::fs::write(folder.layer_file(1), [0; LABEL_BYTES]).unwrap();
    let read = folder.load_or_make(&mut |_| panic!("it is made already")).unwrap();
    assert_eq!(read.root(), made.root());
    assert_eq!(files(&folder).len(), 2);
    let whole = Plotter::new(folder.parameters, folder.key).finish();
    assert_eq!(whole.root(), made.root());
}

#[test]
fn a_plot_interrupted_anywhere_goes_on_to_the_same_root() {
    let whole = {
        let folder = folder(Path::new("unused"));
        Plotter::new(folder.parameters, folder.key).finish().root()
    };
    // Three layers of 256 labels in steps of 50, which end with their layer: 18 steps.
    for steps in 1..18 {
        let temporary = tempfile::tempdir().unwrap();
        let folder = folder(temporary.path());
        interrupt_after(&folder, steps);
        let mut first = None;
        let made = folder.load_or_make(&mut |progress| {
            first.get_or_insert(progress.labels_done);
        });
        assert_eq!(made.unwrap().root(), whole, "interrupted after {steps} steps");
        let kept = first.unwrap();
        let done = (steps - 1) / 6 * 256 + 50 * ((steps - 1) % 6);
        assert!(done <= kept + 100, "after {done} labels, {kept} were kept");
    }
}

#[test]
fn labels_of_a_step_that_may_not_be_on_disk_are_computed_again() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    interrupt_after(&folder, 4);
    // As a loss of power leaves it: the file's length is there, its last bytes are not.
    let path = folder.layer_file(0);
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 200 * LABEL_BYTES);
    bytes[150 * LABEL_BYTES..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let made = folder.load_or_make(&mut |_| {}).unwrap();
    assert_eq!(made.root(), Plotter::new(folder.parameters, folder.key).finish().root());
}

#[test]
fn a_plot_of_another_identity_is_not_taken_for_this_one() {
    let temporary = tempfile::tempdir().unwrap();
    let ours = folder(temporary.path());
    interrupt_after(&ours, 2);
    let theirs = PlotFolder { key: plot_key("other", Profile::Sim, &MEMBER), ..ours.clone() };
    let refused = theirs.load_or_make(&mut |_| {}).err().unwrap();
    assert!(refused.message.contains("another identity"), "{refused}");
    drop(ours.load_or_make(&mut |_| {}).unwrap());
    assert!(theirs.load().is_err());
}

#[test]
fn a_plot_that_was_cut_or_is_too_long_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = folder(temporary.path());
    drop(folder.load_or_make(&mut |_| {}).unwrap());
    let labels = std::fs::read(folder.labels_file()).unwrap();
    let refusal = |bytes: &[u8]| {
        std::fs::write(folder.labels_file(), bytes).unwrap();
        folder.load().err().unwrap().message
    };
    assert!(refusal(&labels[1..]).contains("within a label"));
    assert!(refusal(&labels[LABEL_BYTES..]).contains("255 labels"));
    assert!(refusal(&[&labels[..], &[0; 32]].concat()).contains("another profile"));
}
