import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.security.KeyStore;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.X509CertSelector;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/** Connects to HOST at PORT of ::1 and verifies it under CA and the revocation lists in CRL, one for each authority. */
public final class CrlClient {
    public static void main(String[] words) throws Exception {
        String host = words[0];
        int port = Integer.parseInt(words[1]);
        CertificateFactory x509 = CertificateFactory.getInstance("X.509");
        KeyStore anchors = KeyStore.getInstance(KeyStore.getDefaultType());
        anchors.load(null, null);
        try (InputStream ca = new FileInputStream(words[2])) {
            anchors.setCertificateEntry("root", x509.generateCertificate(ca));
        }
        // What PKIX does unless told otherwise: each certificate below the anchor needs a list.
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, new X509CertSelector());
        try (InputStream crl = new FileInputStream(words[3])) {
            CollectionCertStoreParameters lists = new CollectionCertStoreParameters(x509.generateCRLs(crl));
            parameters.addCertStore(CertStore.getInstance("Collection", lists));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(new CertPathTrustManagerParameters(parameters));
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        try (Socket plain = new Socket(InetAddress.getByName("::1"), port);
                SSLSocket socket = (SSLSocket) tls.getSocketFactory().createSocket(plain, host, port, true)) {
            socket.setSoTimeout(10_000);
            SSLParameters verified = socket.getSSLParameters();
            verified.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(verified);
            socket.startHandshake();
        } catch (SSLException refusal) {
            System.err.println("refused: " + refusal);
            for (Throwable cause = refusal.getCause(); cause != null; cause = cause.getCause()) {
                System.err.println("  " + cause);
            }
            System.exit(1);
        }
    }
}
