// What the tests of JPA need of Hibernate 3.6, which Debian has.
import jakarta.persistence.*;
import java.sql.Connection;
import java.util.*;
import org.hibernate.ScrollMode;
import org.hibernate.ScrollableResults;
import org.hibernate.Session;

class Provider
{
	static final String NAME = "hibernate";

	interface Work extends org.hibernate.jdbc.Work
	{
	}

	/** One connection, which commits by itself outside transactions. */
	static Map<String, String> properties(String session)
	{
		return new HashMap<>(Map.of("hibernate.connection.pool_size", "1", "hibernate.connection.autocommit", "true",
			"javax.persistence.jdbc.driver", "org.postgresql.Driver", "hibernate.dialect", "org.hibernate.dialect.PostgreSQLDialect"));
	}

	static void work(EntityManager em, Work work)
	{
		((Session) em.getDelegate()).doWork(work);
	}

	/** What a query finds, two rows at a time. */
	static Iterator<?> parts(Query query)
	{
		ScrollableResults parts = ((org.hibernate.ejb.QueryImpl) query).getHibernateQuery().setFetchSize(2).scroll(ScrollMode.FORWARD_ONLY);

		return new Iterator<Object>() {
			public boolean hasNext()
			{
				return parts.next();
			}

			public Object next()
			{
				return parts.get(0);
			}
		};
	}
}
