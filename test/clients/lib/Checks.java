// Checks of a client in Java: check("name", () -> ...) for the lines of checks.txt.
import java.nio.file.*;
import java.sql.SQLException;
import java.util.*;

public class Checks
{
	public static final String HINT = "Say what the data is used for";
	/** What every.sql has for a default. */
	public static final String DEFAULT = "it's \"so\"\n#{exit}";
	public static final List<Long> MARKETING = List.of(1L, 2L, 3L, 4L, 5L), KEPT_BACK = List.of(4L, 5L),
		SERVICE = List.of(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L);
	private final String client;
	private final Map<String, String> said = new HashMap<>();

	public interface Check
	{
		void run() throws Exception;
	}

	public Checks(String client) throws Exception
	{
		this.client = client;
		for (String line : Files.readAllLines(Path.of("checks.txt")))
			if (line.contains("\t"))
				said.put(line.split("\t")[0], line.split("\t")[1]);
	}

	public void check(String name, Check check)
	{
		String line = " - " + client + ": " + name + ": " + Objects.requireNonNull(said.get(name));

		try
		{
			check.run();
			System.out.println("ok" + line);
		}
		catch (Throwable e)
		{
			System.out.println("not ok" + line);
			System.out.println("# " + e);
			for (StackTraceElement at : e.getStackTrace())
				System.out.println("#   " + at);
		}
	}

	public static void same(Object found, Object expected)
	{
		if (!Objects.equals(found, expected))
			throw new AssertionError("found " + found + ", expected " + expected);
	}

	/** The check must raise an SQLException of this state, which is returned. */
	public static SQLException raises(String state, Check check) throws Exception
	{
		try
		{
			check.run();
		}
		catch (SQLException e)
		{
			same(e.getSQLState(), state);
			return e;
		}
		throw new AssertionError("no error " + state);
	}
}
