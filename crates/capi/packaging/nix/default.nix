# nix-build -E 'with import <nixpkgs> {}; callPackage ./crates/capi/packaging/nix {}', in a vendored copy.
{ lib, stdenv, cargo, rustc }:

stdenv.mkDerivation {
  pname = "extram";
  version = "0.1.0";
  src = lib.cleanSource ../../../..;

  strictDeps = true;
  nativeBuildInputs = [ cargo rustc ];

  # The command that installs builds, too.
  dontConfigure = true;
  dontBuild = true;
  installPhase = ''
    runHook preInstall
    export CARGO_HOME="$TMPDIR/cargo-home" CARGO_NET_OFFLINE=true
    cargo xtask install --prefix "$out"
    rm "$out/share/extram/installed.txt"
    runHook postInstall
  '';

  meta = {
    description = "Execution contexts for threads that a language runtime did not create";
    license = with lib.licenses; [ mit asl20 ];
    platforms = lib.platforms.linux ++ lib.platforms.freebsd;
  };
}
