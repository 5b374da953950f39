use super::*;
use std::os::unix::fs::PermissionsExt;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_is_for_its_owner_alone_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.key");
    let key = create_key(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(read_key(&path).unwrap().public(), key.public());
    let refused = create_key(&path).unwrap_err();
    assert!(refused.message.contains("never overwritten"), "{refused}");
    assert_eq!(read_or_create_key(&path).unwrap().public(), key.public());
}

#[test]
fn a_file_that_holds_no_key_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity.key");
    for text in ["", "zz", &"0".repeat(63), &"0".repeat(65)] {
        std::fs::write(&path, text).unwrap();
        let refused = read_or_create_key(&path).unwrap_err();
        assert_eq!(refused.exit, Exit::Input);
        assert!(refused.message.contains("identity.key"), "{refused}");
    }
}

#[test]
fn a_folder_of_a_node_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let node = NodeFolder::new(folder.path().join("a/node-1"));
    node.create().unwrap();
    node.create().unwrap();
    assert_eq!(mode(node.path()), 0o700);
}

#[test]
fn one_process_runs_in_a_folder_and_the_next_is_told_which() {
    let folder = tempfile::tempdir().unwrap();
    let node = NodeFolder::new(folder.path());
    let mark = PidFile::create(&node.pid()).unwrap();
    assert_eq!(node.process(), Some(std::process::id()));
    let refused = PidFile::create(&node.pid()).unwrap_err();
    assert!(refused.message.contains(&std::process::id().to_string()), "{refused}");
    drop(mark);
    assert_eq!(node.process(), None);
    std::fs::write(node.pid(), "4711\nleft behind by a crash\n").unwrap();
    drop(PidFile::create(&node.pid()).unwrap());
}
