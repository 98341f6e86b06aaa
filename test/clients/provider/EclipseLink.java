// What the tests of JPA need of EclipseLink.
import jakarta.persistence.*;
import java.sql.Connection;
import java.util.*;
import org.eclipse.persistence.config.HintValues;
import org.eclipse.persistence.config.QueryHints;
import org.eclipse.persistence.queries.CursoredStream;

class Provider
{
	static final String NAME = "jpa";

	interface Work
	{
		void run(Connection c) throws java.sql.SQLException;
	}

	/** One connection, for reading and writing. */
	static Map<String, String> properties(String session)
	{
		return new HashMap<>(Map.of("eclipselink.connection-pool.default.initial", "1", "eclipselink.connection-pool.default.max", "1",
			"eclipselink.session-name", session, "eclipselink.logging.level", "OFF"));
	}

	static void work(EntityManager em, Work work)
	{
		try
		{
			work.run(em.unwrap(Connection.class));
		}
		catch (java.sql.SQLException e)
		{
			throw new AssertionError(e);
		}
	}

	/** What a query finds, two rows at a time. */
	static Iterator<?> parts(Query query)
	{
		CursoredStream parts = (CursoredStream) query.setHint(QueryHints.CURSOR, HintValues.TRUE)
			.setHint(QueryHints.CURSOR_INITIAL_SIZE, "2").setHint(QueryHints.CURSOR_PAGE_SIZE, "1").setHint(QueryHints.JDBC_FETCH_SIZE, "2").getSingleResult();

		return new Iterator<Object>() {
			public boolean hasNext()
			{
				return !parts.atEnd();
			}

			public Object next()
			{
				return parts.next();
			}
		};
	}
}
