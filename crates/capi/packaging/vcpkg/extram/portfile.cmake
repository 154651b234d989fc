# vcpkg install extram --overlay-ports=COPY/crates/capi/packaging/vcpkg, where COPY is a vendored copy.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../../.." ABSOLUTE)
find_program(CARGO cargo REQUIRED)

# One build serves both: the C face has no debug one.
set(VCPKG_BUILD_TYPE release)

# The command that installs builds, too.
vcpkg_execute_required_process(
    COMMAND "${CARGO}" xtask install "--prefix=${CURRENT_PACKAGES_DIR}"
    WORKING_DIRECTORY "${SOURCE_PATH}"
    LOGNAME "install-${TARGET_TRIPLET}"
)
file(REMOVE "${CURRENT_PACKAGES_DIR}/share/extram/installed.txt")
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/licenses" "${CURRENT_PACKAGES_DIR}/share/man")

# Left where it is: what it names it finds from there.
set(VCPKG_POLICY_SKIP_LIB_CMAKE_MERGE_CHECK enabled)
vcpkg_fixup_pkgconfig()
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE-MIT" "${SOURCE_PATH}/LICENSE-APACHE")
