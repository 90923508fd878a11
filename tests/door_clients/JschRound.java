import com.jcraft.jsch.ChannelSftp;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Vector;

/** One step of a legacy client with JSch: PORT USER PASSWORD STEP PATH... */
public class JschRound {
    public static void main(String[] words) throws Exception {
        Session session = new JSch().getSession(words[1], "127.0.0.1", Integer.parseInt(words[0]));
        session.setPassword(words[2]);
        session.setConfig("StrictHostKeyChecking", "no");
        session.connect(30000);
        ChannelSftp sftp = (ChannelSftp) session.openChannel("sftp");
        sftp.connect(30000);
        try {
            step(sftp, words);
        } finally {
            session.disconnect();
        }
    }

    static void step(ChannelSftp sftp, String[] words) throws Exception {
        String path = words[4];
        switch (words[3]) {
            case "names":
                sftp.cd(path);
                for (Object row : (Vector<?>) sftp.ls(".")) {
                    System.out.println(((ChannelSftp.LsEntry) row).getFilename());
                }
                break;
            case "fetch":
                sftp.get(path, words[5]);
                break;
            case "delete":
                sftp.rm(path);
                break;
            case "put":
                sftp.put(words[5], path);
                break;
            case "put_and_rename":
                sftp.put(words[6], path);
                sftp.rename(path, words[5]);
                break;
            case "put_half":
                byte[] data = Files.readAllBytes(Path.of(words[5]));
                sftp.put(path, ChannelSftp.OVERWRITE).write(data, 0, data.length / 2);
                Thread.sleep(600000);
                break;
            default:
                throw new IllegalArgumentException(words[3]);
        }
    }
}
