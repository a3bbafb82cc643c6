// Writes a row as Java services do: the IV in front of what AES/GCM/NoPadding returns, in base64.

import java.io.ByteArrayOutputStream;
import java.util.Base64;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

public class Row {
    public static void main(String[] arguments) throws Exception {
        byte[] key = new byte[32], iv = new byte[12];
        for (int i = 0; i < key.length; i++) key[i] = (byte) i;
        for (int i = 0; i < iv.length; i++) iv[i] = (byte) (0x40 + i); // fixed, so that the row is the same each time
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, iv));
        ByteArrayOutputStream row = new ByteArrayOutputStream();
        row.write(iv);
        row.write(cipher.doFinal("sk-test-123".getBytes("UTF-8")));
        System.out.println(Base64.getEncoder().encodeToString(row.toByteArray()));
    }
}
