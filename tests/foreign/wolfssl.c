/* Verifies a chain as wolfSSL does: verify-with-wolfssl ROOT ISSUING LEAF, each PEM. Says why not, and exits with 1. */

#include <stdio.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static int failed(const char *path, int code) {
    fprintf(stderr, "%s: %s\n", path, wolfSSL_ERR_reason_error_string(code));
    return 1;
}

int main(int count, char **paths) {
    if (count != 4) return 2;
    wolfSSL_Init();
    WOLFSSL_CERT_MANAGER *manager = wolfSSL_CertManagerNew();
    for (int authority = 1; authority < 3; authority++) {
        int code = wolfSSL_CertManagerLoadCA(manager, paths[authority], NULL);
        if (code != WOLFSSL_SUCCESS) return failed(paths[authority], code);
    }
    int code = wolfSSL_CertManagerVerify(manager, paths[3], WOLFSSL_FILETYPE_PEM);
    if (code != WOLFSSL_SUCCESS) return failed(paths[3], code);
    puts("verified");
    return 0;
}
